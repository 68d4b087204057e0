"""Choose the best trial of a search."""

from pathlib import Path

from behrt import stage
from behrt.learning.chosen import best_of, read_trials, write_chosen
from behrt.logs import logger


def main(trials: list[Path], chosen: Path, searched: str) -> None:
    done = read_trials(trials)
    best = best_of(done)
    write_chosen(searched, best, chosen)
    logger.info(
        "%s: %d trials, %d stopped early; best %s %.4f",
        searched,
        len(done),
        sum(trial.pruned for trial in done),
        best.metric,
        best.score,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
