"""Tabulate who the patients are, for every task and split."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.population import read_tallies, tabulate
from behrt.files import write_csv
from behrt.logs import logger


def main(sequences: list[Path], tasks: list[Path], table: Path, threshold: int, data: str) -> None:
    population = tabulate(read_tallies(sequences, tasks), threshold, data)
    write_csv(population, table)
    logger.info(
        "population: %d numbers, %d of them not shown",
        len(population),
        population["value"].null_count(),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
