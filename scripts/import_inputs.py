"""The inputs beyond diagnoses in files of a MEDS dataset or of an OMOP table, by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt import logs, stage
from behrt.files import write_json
from behrt.logs import logger
from behrt.settings.concepts import MeasurementSettings
from behrt.sources import meds_inputs, omop_inputs
from behrt.sources.inputs import InputRecords, read_tests
from behrt.sources.records import Tally, read_files, write_records


def main(
    sources: list[Path],
    records: Path,
    manifest: Path,
    layout: str,
    table: str,
    shards: int,
    maximum_refused: float,
    concepts: list[str],
    bands: MeasurementSettings,
    input_codes: Sequence[dict[str, Any]],
    columns: dict[str, str | None],
    measurements: Sequence[dict[str, Any]],
    blank: Sequence[str],
    tests: Path | None = None,
) -> None:
    """Import files; `input_codes` and `columns` are for MEDS, `measurements` for OMOP."""
    ranges = read_tests(tests)

    def read(source: Path, tally: Tally) -> Iterator[pl.DataFrame]:
        if layout == "meds":
            codes = meds_inputs.InputCodes.read(concepts, input_codes, columns)
            return meds_inputs.read_batches(source, codes, ranges, bands, tally)
        known = omop_inputs.Measurements(tuple(measurements))
        return omop_inputs.read_batches(source, table, concepts, known, ranges, bands, tally, blank)

    tallies = [Tally(source.name) for source in sources]
    batches = read_files(sources, tallies, read, maximum_refused)
    write_records(batches, records, shards, InputRecords)
    write_json({"table": table, "parts": [tally.manifest() for tally in tallies]}, manifest)
    for tally in tallies:
        refused = logs.count(tally.rows_read - tally.rows_kept)
        kept = logs.count(tally.rows_kept)
        logger.info("inputs of %s: %s rows kept, %s refused", tally.file, kept, refused)


if __name__ == "__main__":
    stage.run(main, snakemake)
