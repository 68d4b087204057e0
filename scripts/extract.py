"""One delivered part to typed Parquet, sorted by shard."""

from pathlib import Path
from typing import Any

from behrt import logs, stage
from behrt.cprd.databases import DATABASES
from behrt.cprd.extraction import extract_part
from behrt.cprd.values import Options
from behrt.files import write_json
from behrt.logs import logger


def main(
    source: Path,
    rows: Path,
    manifest: Path,
    database: str,
    source_table: str,
    member: str | None,
    shards: int,
    maximum_refused: float,
    options: dict[str, Any],
    unread: list[str],
) -> None:
    """Extract one part, without the columns `unread`.

    `options` are the settings of `behrt.cprd.values.Options`.
    """
    layout = DATABASES[database].source_tables[source_table].without(unread)
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
        "extract %s: %s rows kept; %s refused, %s shorter than the header",
        summary["file"],
        logs.count(summary["rows_kept"]),
        logs.count(summary["rows_read"] - summary["rows_kept"]),
        logs.count(summary["short_rows"]),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
