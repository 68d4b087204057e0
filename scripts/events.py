"""One shard of the cohort's events as MEDS, and what was not mapped."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.concept_events import with_concepts
from behrt.cprd.events import EventSources, make_events
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.meds_writer import write_events


def main(
    cohort: Path,
    diagnoses: list[Path],
    consultations: list[Path],
    hospital: list[Path],
    admissions: list[Path],
    medcodes: Path,
    icd: Path,
    phenotypes: Path,
    events: Path,
    unmapped: Path,
    shard: int,
    pointers: list[Path] | None = None,
    concepts: Path | None = None,
) -> None:
    """Write one shard; `diagnoses` are the parts of the GP tables that carry medcodes.

    `pointers` are the parts of the tables that point at those rows that are diagnoses, if any;
    `concepts` has the shard's events beyond diagnoses.
    """
    sources = EventSources(
        cohort,
        diagnoses,
        consultations,
        hospital,
        admissions,
        medcodes,
        icd,
        phenotypes,
        pointers or [],
    )
    made, outcomes = make_events(sources, shard)
    if concepts is not None:
        made = with_concepts(made, pl.read_parquet(concepts))
    write_events(made, events)
    write_parquet(outcomes, unmapped)
    logger.info("events, shard %d: %d events", shard, made.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
