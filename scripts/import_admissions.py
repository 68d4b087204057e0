"""The stays in hospital of files of a MEDS dataset, or of OMOP's visit_occurrence."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from behrt import logs, stage
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.sources.admissions import from_meds, from_omop, sharded
from behrt.sources.records import Tally, read_files


def main(
    sources: list[Path],
    records: Path,
    manifest: Path,
    layout: str,
    shards: int,
    maximum_refused: float,
    codes: dict[str, str],
    blank: Sequence[str],
) -> None:
    """Import files; `codes` are of a MEDS dataset, `blank` is for OMOP."""

    def read(source: Path, tally: Tally) -> Iterator[pl.DataFrame]:
        if layout == "meds":
            return iter([from_meds(source, codes, tally)])
        return from_omop(source, tally, blank)

    tallies = [Tally(source.name) for source in sources]
    stays = sharded(read_files(sources, tallies, read, maximum_refused), shards)
    write_parquet(stays, records)
    write_json({"parts": [tally.manifest() for tally in tallies]}, manifest)
    logger.info("admissions, from %s on: %s records", sources[0].name, logs.count(stays.height))


if __name__ == "__main__":
    stage.run(main, snakemake)
