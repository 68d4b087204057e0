"""Tabulate who the patients are, for every task and split."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.cohort_flow import read_flow
from behrt.evaluation.population import read_tallies, tabulate
from behrt.logs import logger


def main(
    sequences: list[Path],
    tasks: list[Path],
    flow: Path,
    table: Path,
    disclosure: dict[str, int],
    data: str,
) -> None:
    rules = Rules(**disclosure)
    left = read_flow(flow)["patients"].to_list()
    population = tabulate(read_tallies(sequences, tasks), rules, data, left)
    write_table(population, table, rules)
    logger.info(
        "population: %d numbers, %d of them not shown",
        len(population),
        population["value"].null_count(),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
