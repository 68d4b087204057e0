"""Tabulate the patients left after each step of the cohort, small counts hidden."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.cohort_flow import read_flow, tabulate
from behrt.evaluation.tidy import with_facts
from behrt.files import write_csv
from behrt.logs import logger


def main(flow: Path, table: Path, threshold: int, data: str) -> None:
    steps = tabulate(read_flow(flow), threshold)
    write_csv(with_facts(steps, data=data, protocol="both"), table)
    logger.info("cohort flow: %d steps, %d not shown", len(steps), steps["patients"].null_count())


if __name__ == "__main__":
    stage.run(main, snakemake)
