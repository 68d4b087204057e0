"""Tabulate the patients left after each step of the cohort, small counts hidden."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.cohort_flow import read_flow, tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger


def main(flow: Path, table: Path, disclosure: dict[str, int], data: str) -> None:
    rules = Rules(**disclosure)
    steps = tabulate(read_flow(flow), rules)
    write_table(with_facts(steps, data=data, protocol="both"), table, rules)
    logger.info("cohort flow: %d steps, %d not shown", len(steps), steps["patients"].null_count())


if __name__ == "__main__":
    stage.run(main, snakemake)
