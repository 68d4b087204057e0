"""The inputs beyond diagnoses in one file of a MEDS dataset or of an OMOP table, by shard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from behrt import logs, stage
from behrt.files import write_json
from behrt.logs import logger
from behrt.settings.concepts import MeasurementSettings
from behrt.sources import meds_inputs, omop_inputs
from behrt.sources.inputs import InputRecords, read_tests
from behrt.sources.records import Tally, write_records


def main(
    source: Path,
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
    """Import one file; `input_codes` and `columns` are for MEDS, `measurements` for OMOP."""
    tally = Tally(source.name)
    ranges = read_tests(tests)
    if layout == "meds":
        codes = meds_inputs.InputCodes.read(concepts, input_codes, columns)
        batches = meds_inputs.read_batches(source, codes, ranges, bands, tally)
    else:
        known = omop_inputs.Measurements(tuple(measurements))
        batches = omop_inputs.read_batches(
            source, table, concepts, known, ranges, bands, tally, blank
        )
    write_records(batches, records, shards, lambda: tally.check(maximum_refused), InputRecords)
    write_json({"table": table, **tally.manifest()}, manifest)
    refused = logs.count(tally.rows_read - tally.rows_kept)
    kept = logs.count(tally.rows_kept)
    logger.info("inputs of %s: %s rows kept, %s refused", source.name, kept, refused)


if __name__ == "__main__":
    stage.run(main, snakemake)
