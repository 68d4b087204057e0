"""The shards' cohorts in one table, and the patients left after each step."""

from pathlib import Path

from behrt import stage
from behrt.cprd.cohort import add_flows, join_cohorts
from behrt.files import write_parquet
from behrt.logs import logger


def main(shards: list[Path], counts: list[Path], cohort: Path, flow: Path) -> None:
    """Join all shards."""
    join_cohorts(shards, cohort)
    total = add_flows(counts)
    write_parquet(total, flow)
    logger.info("cohort: %d of %d delivered patients", total["patients"][-1], total["patients"][0])


if __name__ == "__main__":
    stage.run(main, snakemake)
