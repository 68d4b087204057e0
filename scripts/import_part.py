"""Files of a MEDS dataset or of an OMOP table to records, sorted by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt import logs, stage
from behrt.files import write_json
from behrt.logs import logger
from behrt.sources import meds, omop
from behrt.sources.codes import Codes
from behrt.sources.records import Tally, read_files, write_records


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

    tallies = [Tally(source.name) for source in sources]
    batches = read_files(sources, tallies, read, maximum_refused)
    write_records(batches, records, shards)
    write_json({"table": table, "parts": [tally.manifest() for tally in tallies]}, manifest)
    for tally in tallies:
        refused = logs.count(tally.rows_read - tally.rows_kept)
        kept = logs.count(tally.rows_kept)
        logger.info("import %s: %s rows kept, %s refused", tally.file, kept, refused)


if __name__ == "__main__":
    stage.run(main, snakemake)
