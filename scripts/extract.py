"""One delivered part to typed Parquet, sorted by shard."""

from pathlib import Path
from typing import Any

from behrt import stage
from behrt.cprd.databases import DATABASES
from behrt.cprd.extract import extract_part
from behrt.cprd.values import Options
from behrt.files import write_json
from behrt.logs import logger


def main(
    source: Path,
    rows: Path,
    manifest: Path,
    database: str,
    table: str,
    member: str | None,
    shards: int,
    maximum_refused: float,
    options: dict[str, Any],
    unread: list[str],
) -> None:
    """Extract one part, but for the columns `unread`.

    `options` are the settings of `behrt.cprd.values.Options`.
    """
    layout = DATABASES[database].tables[table].without(unread)
    summary = extract_part(
        source,
        member,
        layout,
        rows,
        shards=shards,
        maximum_refused=maximum_refused,
        options=Options.read(options, layout),
    )
    write_json({**summary, "member": member}, manifest)
    logger.info(
        "extract %s: %d rows read, %d of them shorter than the header; %d kept",
        summary["file"],
        summary["rows_read"],
        summary["short_rows"],
        summary["rows_kept"],
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
