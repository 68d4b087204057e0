"""The inputs beyond diagnoses in files of a MEDS dataset or of an OMOP table, by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt import stage
from behrt.settings.concepts import MeasurementSettings
from behrt.sources import meds_inputs, omop_inputs
from behrt.sources.inputs import InputRecords, read_tests
from behrt.sources.records import Tally, import_files


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
    meds = layout == "meds"
    codes = meds_inputs.InputCodes.read(concepts, input_codes, columns) if meds else None
    known = omop_inputs.Measurements(tuple(measurements))

    def read(source: Path, tally: Tally) -> Iterator[pl.DataFrame]:
        if codes is not None:
            return meds_inputs.read_batches(source, codes, ranges, bands, tally)
        return omop_inputs.read_batches(source, table, concepts, known, ranges, bands, tally, blank)

    import_files(
        sources,
        read,
        records,
        manifest,
        table,
        shards,
        maximum_refused,
        "inputs of",
        InputRecords,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
