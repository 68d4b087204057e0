"""The MEDS dataset of a run in the layout `data/<split>/`."""

import shutil
from pathlib import Path

import polars as pl

from behrt import stage
from behrt.files import atomic
from behrt.logs import logger
from behrt.meds_writer import write_events


def main(shards: list[Path], splits: Path, codes: Path, dataset: Path, folder: Path) -> None:
    """Write `folder`; a split has no file of a shard in which it has no subject."""
    split_of = pl.read_parquet(splits)
    for shard in shards:
        events = pl.read_parquet(shard).select("subject_id", "time", "code")
        named = events.join(split_of, on="subject_id", maintain_order="left")
        for (split,), part in named.partition_by("split", as_dict=True).items():
            write_events(part.drop("split"), folder / "data" / str(split) / shard.name)
    for source in (splits, codes, dataset):
        with atomic(folder / "metadata" / source.name) as temporary:
            shutil.copyfile(source, temporary)
    logger.info("meds: %d shards by split", len(shards))


if __name__ == "__main__":
    stage.run(main, snakemake)
