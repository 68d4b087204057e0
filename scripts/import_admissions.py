"""The stays in hospital of one file of a MEDS dataset, or of OMOP's visit_occurrence."""

from collections.abc import Sequence
from pathlib import Path

from behrt import logs, stage
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.sources.admissions import from_meds, from_omop, sharded
from behrt.sources.records import Tally


def main(
    source: Path,
    records: Path,
    manifest: Path,
    layout: str,
    shards: int,
    maximum_refused: float,
    codes: dict[str, str],
    blank: Sequence[str],
) -> None:
    """Import one file; `codes` are of a MEDS dataset, `blank` is for OMOP."""
    tally = Tally(source.name)
    if layout == "meds":
        read = sharded(iter([from_meds(source, codes, tally)]), shards)
    else:
        read = sharded(from_omop(source, tally, blank), shards)
    tally.check(maximum_refused)
    write_parquet(read, records)
    write_json(tally.manifest(), manifest)
    logger.info("admissions %s: %s records", source.name, logs.count(read.height))


if __name__ == "__main__":
    stage.run(main, snakemake)
