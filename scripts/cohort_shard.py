"""The cohort's patients in one shard, and the number left after each step."""

from pathlib import Path

from behrt import stage
from behrt.cprd.cohort import CohortSources, select_cohort
from behrt.cprd.databases import DATABASES
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.settings.delivery import CohortRules


def main(
    patient: list[Path],
    practice: list[Path],
    eligibility: list[Path],
    coverage: list[Path],
    deaths: list[Path],
    visits: list[Path],
    admissions: list[Path],
    cohort: Path,
    counts: Path,
    shard: int,
    rules: CohortRules,
    database: str,
    without: list[str],
    merged: Path | None = None,
    diagnoses: list[Path] | None = None,
    hospital: list[Path] | None = None,
    medcodes: Path | None = None,
    icd: Path | None = None,
    pointers: list[Path] | None = None,
) -> None:
    """Select one shard.

    `merged` is the list of merged practices, if there is one; `without` are the source tables that
    the run goes without. The last five inputs are needed for `rules.visits == "diagnosis"`, and
    `hospital` also without hes_hospital.
    """
    sources = CohortSources(
        patient,
        practice,
        eligibility,
        coverage,
        deaths,
        visits,
        admissions,
        diagnoses or [],
        hospital or [],
        medcodes,
        icd,
        pointers or [],
        merged,
        DATABASES[database],
        without,
    )
    selected, flow = select_cohort(sources, shard, rules)
    write_parquet(selected, cohort)
    write_parquet(flow, counts)
    logger.info("cohort, shard %d: %d steps done", shard, flow.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
