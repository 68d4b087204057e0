"""Choose the best trial of a search, and tabulate all."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.search_table import tabulate
from behrt.files import write_csv
from behrt.learning.chosen import best_of, read_trials, write_chosen
from behrt.logs import logger


def main(
    trials: list[Path], chosen: Path, table: Path, searched: str, task: str, data: str
) -> None:
    done = read_trials(trials)
    best = best_of(done)
    write_csv(tabulate(done, searched, task, data), table)
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
