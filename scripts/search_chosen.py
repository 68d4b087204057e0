"""Choose the best trial of a search, and tabulate all."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.search_table import tabulate
from behrt.learning.chosen import best_of, read_trials, write_chosen
from behrt.logs import logger


def main(
    trials: list[Path],
    chosen: Path,
    table: Path,
    searched: str,
    task: str,
    data: str,
    disclosure: dict[str, int],
) -> None:
    done = read_trials(trials)
    best = best_of(done)
    write_table(tabulate(done, searched, task, data), table, Rules(**disclosure))
    write_chosen(searched, best, chosen)
    given_up = sum(trial.pruned for trial in done)
    logger.info(
        "%s: %d trials, %d given up; best %s %.4f",
        searched,
        len(done),
        given_up,
        best.metric,
        best.score,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
