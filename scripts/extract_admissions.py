"""The stays in hospital of one delivered part of hes_hospital."""

from pathlib import Path
from typing import Any

from behrt import logs, stage
from behrt.cprd.admissions import SPELLS, spells_of
from behrt.cprd.extraction import extract_part
from behrt.cprd.values import Options
from behrt.files import write_json, write_parquet
from behrt.logs import logger


def main(
    source: Path,
    records: Path,
    manifest: Path,
    member: str | None,
    shards: int,
    maximum_refused: float,
    options: dict[str, Any],
) -> None:
    """Extract one part; `options` are the settings of `behrt.cprd.values.Options`."""
    rows = records.with_suffix(".rows")
    try:
        summary = extract_part(
            source,
            member,
            SPELLS,
            rows,
            shards=shards,
            maximum_refused=maximum_refused,
            options=Options.read(options, SPELLS),
        )
        spells = spells_of(rows)
    finally:
        rows.unlink(missing_ok=True)
    write_parquet(spells, records)
    write_json({**summary, "member": member}, manifest)
    logger.info("admissions %s: %s spells", summary["file"], logs.count(spells.height))


if __name__ == "__main__":
    stage.run(main, snakemake)
