"""One shard's events of medications, procedures, tests and measurements."""

from pathlib import Path

import polars as pl

from behrt import logs, stage
from behrt.concept_events import make_concept_events
from behrt.concept_outcomes import share_mapped
from behrt.concepts import concepts_in
from behrt.cprd.concepts.codes import scan
from behrt.cprd.concepts.procedures import Level
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.settings.concepts import MeasurementSettings


def main(
    cohort: Path,
    events: Path,
    outcomes: Path,
    shard: int,
    database: str,
    inputs: list[str],
    level: Level,
    measurements: MeasurementSettings,
    codes: list[Path] | None = None,
    therapy: list[Path] | None = None,
    drugissue: list[Path] | None = None,
    hes_procedures_epi: list[Path] | None = None,
    test: list[Path] | None = None,
    additional: list[Path] | None = None,
    clinical: list[Path] | None = None,
    observation: list[Path] | None = None,
) -> None:
    """Write one shard; the last seven are the parts of the source tables that are read."""
    parts = {
        "therapy": therapy or [],
        "drugissue": drugissue or [],
        "hes_procedures_epi": hes_procedures_epi or [],
        "test": test or [],
        "additional": additional or [],
        "clinical": clinical or [],
        "observation": observation or [],
    }
    frames = {path.stem: pl.read_parquet(path) for path in codes or []}
    rows = scan(database, inputs, level, measurements, parts, frames, shard)
    window = pl.scan_parquet(cohort).select("subject_id", "follow_up_start", "follow_up_end")
    made, counted = make_concept_events(window, rows)
    write_parquet(made, events)
    write_parquet(counted, outcomes)
    for concept in concepts_in(inputs):
        records, mapped = share_mapped(counted, concept)
        logger.info(
            "concept_events, shard %d: %s records of %s, of which %s are mapped",
            shard,
            logs.count(records),
            concept,
            logs.share(mapped, records),
        )


if __name__ == "__main__":
    stage.run(main, snakemake)
