"""The cohort of all shards in one file, and the patients left after each step."""

from pathlib import Path

from behrt import logs, stage
from behrt.cprd.cohort import add_flows, join_cohorts, recognise
from behrt.cprd.databases import DATABASES, losses
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.settings.delivery import CohortRules


def main(
    shards: list[Path],
    counts: list[Path],
    patient: list[Path],
    practice: list[Path],
    coverage: list[Path],
    cohort: Path,
    flow: Path,
    manifest: Path,
    rules: CohortRules,
    database: str,
    without: list[str],
    merged: Path | None = None,
) -> None:
    """Join all shards, and write what was recognised in the delivery as a whole.

    `merged` is the list of merged practices, if there is one; `without` are the source tables that
    the run goes without.
    """
    total = add_flows(counts)
    join_cohorts(shards, cohort)
    write_parquet(total, flow)
    known = DATABASES[database]
    found = recognise(patient, practice, coverage, rules, known, merged, without)
    write_json(
        {
            "database": database,
            "practice_digits": found.practice_digits,
            "hes_start": found.hes_start and found.hes_start.isoformat(),
            "hes_end": found.hes_end and found.hes_end.isoformat(),
            "without": losses(without),
            "merged_practices_listed": None if found.merged is None else found.merged.len(),
        },
        manifest,
    )
    share = logs.share(total["patients"][-1], total["patients"][0])
    logger.info("cohort: %s of the delivered patients", share)


if __name__ == "__main__":
    stage.run(main, snakemake)
