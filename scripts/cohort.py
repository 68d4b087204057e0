"""The shards' cohorts in one table, and the patients left after each step."""

from pathlib import Path

from behrt import stage
from behrt.cprd.cohort import add_flows, join_cohorts
from behrt.files import write_parquet
from behrt.logs import logger


def main(shards: list[Path], counts: list[Path], cohort: Path, flow: Path) -> None:
    """Join all shards."""
    total = add_flows(counts)
    join_cohorts(shards, cohort)
    write_parquet(total, flow)
    share = total["patients"][-1] / total["patients"][0]
    logger.info("cohort: %.1f%% of the delivered patients", 100 * share)


if __name__ == "__main__":
    stage.run(main, snakemake)
