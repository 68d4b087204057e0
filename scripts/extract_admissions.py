"""The stays in hospital of delivered parts of hes_hospital."""

from pathlib import Path
from typing import Any

from behrt import logs, stage
from behrt.cprd.admissions import SPELLS, spells_of
from behrt.cprd.extraction import extract_parts
from behrt.cprd.values import Options
from behrt.files import write_json, write_parquet
from behrt.logs import logger


def main(
    sources: list[Path],
    records: Path,
    manifest: Path,
    members: list[str | None],
    shards: int,
    maximum_refused: float,
    options: dict[str, Any],
) -> None:
    """Extract parts.

    `members` are the names of the texts in `sources`, None for a loose text; `options` are the
    settings of `behrt.cprd.values.Options`.
    """
    rows = records.with_suffix(".rows")
    try:
        found = extract_parts(
            list(zip(sources, members, strict=True)),
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
    parts = [{**part, "member": member} for part, member in zip(found, members, strict=True)]
    write_json({"parts": parts}, manifest)
    logger.info("admissions, from %s on: %s spells", parts[0]["file"], logs.count(spells.height))


if __name__ == "__main__":
    stage.run(main, snakemake)
