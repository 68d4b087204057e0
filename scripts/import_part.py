"""One file of a MEDS dataset or an OMOP folder to records, sorted by shard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from behrt import logs, stage
from behrt.files import write_json
from behrt.logs import logger
from behrt.sources import meds, omop
from behrt.sources.codes import Codes
from behrt.sources.records import Tally, write_records


def main(
    source: Path,
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
    """Import one file; `structure` is a MEDS dataset's, `condition` and `blank` are for OMOP."""
    tally = Tally(source.name)
    if layout == "meds":
        codes = Codes.read(systems, own, lists)
        batches = meds.read_batches(source, codes, meds.Structure.read(structure), tally)
    else:
        batches = omop.read_batches(source, table, condition, tally, blank)
    write_records(batches, records, shards, lambda: tally.check(maximum_refused))
    write_json({"table": table, **tally.manifest()}, manifest)
    refused = logs.count(tally.rows_read - tally.rows_kept)
    kept = logs.count(tally.rows_kept)
    logger.info("import %s: %s rows kept, %s refused", source.name, kept, refused)


if __name__ == "__main__":
    stage.run(main, snakemake)
