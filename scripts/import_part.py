"""Files of a MEDS dataset or of an OMOP table to records, sorted by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt import stage
from behrt.sources import meds, omop
from behrt.sources.codes import Codes
from behrt.sources.records import Tally, import_files


def main(
    sources: list[Path],
    records: Path,
    manifest: Path,
    layout: str,
    table: str,
    shards: int,
    maximum_refused: float,
    systems: Sequence[dict[str, str]],
    own: Sequence[str] | None,
    lists: bool,
    structure: dict[str, Any],
    condition: str,
    blank: Sequence[str],
) -> None:
    """Import files; `structure` is a MEDS dataset's, `condition` and `blank` are for OMOP."""
    codes = Codes.read(systems, own, lists) if layout == "meds" else None

    def read(source: Path, tally: Tally) -> Iterator[pl.DataFrame]:
        if codes is not None:
            return meds.read_batches(source, codes, meds.Structure.read(structure), tally)
        return omop.read_batches(source, table, condition, tally, blank)

    import_files(sources, read, records, manifest, table, shards, maximum_refused, "import")


if __name__ == "__main__":
    stage.run(main, snakemake)
