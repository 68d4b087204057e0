"""The stays in hospital of one shard of subjects."""

from pathlib import Path

from behrt import logs, stage
from behrt.admissions import read_stays
from behrt.files import write_parquet
from behrt.logs import logger


def main(records: list[Path], stays: Path, shard: int) -> None:
    found = read_stays(records, shard)
    write_parquet(found, stays)
    logger.info("admissions, shard %d: %s stays", shard, logs.count(found.height))


if __name__ == "__main__":
    stage.run(main, snakemake)
