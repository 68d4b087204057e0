"""Delivered parts of one table to typed Parquet, sorted by shard."""

from pathlib import Path
from typing import Any

from behrt import logs, stage
from behrt.cprd.databases import DATABASES
from behrt.cprd.extraction import extract_parts
from behrt.cprd.values import Options
from behrt.files import write_json
from behrt.logs import logger


def main(
    sources: list[Path],
    rows: Path,
    manifest: Path,
    database: str,
    source_table: str,
    members: list[str | None],
    shards: int,
    maximum_refused: float,
    options: dict[str, Any],
    unread: list[str],
) -> None:
    """Extract parts, without the columns `unread`.

    `members` are the names of the texts in `sources`, None for a loose text; `options` are the
    settings of `behrt.cprd.values.Options`.
    """
    layout = DATABASES[database].source_tables[source_table].without(unread)
    found = extract_parts(
        list(zip(sources, members, strict=True)),
        layout,
        rows,
        shards=shards,
        maximum_refused=maximum_refused,
        options=Options.read(options, layout),
    )
    parts = [{**part, "member": member} for part, member in zip(found, members, strict=True)]
    write_json({"parts": parts}, manifest)
    for part in parts:
        logger.info(
            "extract %s: %s rows kept; %s refused, %s shorter than the header",
            part["file"],
            logs.count(part["rows_kept"]),
            logs.count(part["rows_read"] - part["rows_kept"]),
            logs.count(part["short_rows"]),
        )


if __name__ == "__main__":
    stage.run(main, snakemake)
