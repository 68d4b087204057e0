"""One shard of the cohort's records as MEDS, in the codes of the source."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.cprd.source_codes import make_source_events
from behrt.logs import logger
from behrt.meds_writer import write_events


def main(
    cohort: Path,
    diagnoses: list[Path],
    hospital: list[Path],
    source_codes: Path,
    events: Path,
    shard: int,
    pointers: list[Path] | None = None,
    prescriptions: list[Path] | None = None,
    procedures: list[Path] | None = None,
) -> None:
    """Write one shard; the inputs are those of the stages `events` and `concept_events`."""
    made = make_source_events(
        cohort,
        diagnoses,
        hospital,
        pl.read_parquet(source_codes),
        shard,
        pointers or [],
        prescriptions or [],
        procedures or [],
    )
    write_events(made, events)
    logger.info("source events, shard %d: %d events", shard, made.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
