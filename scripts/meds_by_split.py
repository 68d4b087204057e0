"""The MEDS dataset of a run in the layout `data/<split>/`, with the codes of the source."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from behrt import stage
from behrt.cprd.concepts.procedures import Level
from behrt.cprd.source_codes import describe_source_codes
from behrt.files import atomic
from behrt.logs import logger
from behrt.meds_writer import write_codes, write_events
from behrt.ontology import with_ancestors
from behrt.sequences.frames import HELD_OUT


def main(
    shards: list[Path],
    splits: Path,
    codes: Path,
    dataset: Path,
    folder: Path,
    source_events: Sequence[Path] = (),
    source_codes: Path | None = None,
    medcodes: Path | None = None,
    icd: Path | None = None,
    phenotypes: Path | None = None,
    products: Path | None = None,
    procedures: Path | None = None,
    level: Level = 3,
    cut_off: str | None = None,
) -> None:
    """Write `folder`; a split has no file of a shard in which it has no subject.

    With a cut-off, the first day that is held out (YYYY-MM-DD), training and tuning patients have
    only events before it and events without a time, as in the sequences.

    `source_events` are the records of each shard in the codes of the source, which `medcodes`,
    `icd` and `phenotypes` map to diseases, `products` and `procedures` (at `level`) to other words,
    and `source_codes` names. Each code has the parents that
    its hierarchy gives it, which are listed as well.
    """
    split_of = pl.read_parquet(splits)
    seen: set[str] = set()
    for number, shard in enumerate(shards):
        events = pl.read_parquet(shard)
        if source_events:
            own = pl.read_parquet(source_events[number])
            seen |= set(own["code"].unique())
            events = pl.concat([events, own], how="diagonal").sort(pl.all())
        named = events.join(split_of, on="subject_id", maintain_order="left")
        if cut_off:
            day = pl.col("time").dt.date()
            early = day.is_null() | (day < date.fromisoformat(cut_off))
            named = named.filter(early | (pl.col("split") == HELD_OUT))
        for (split,), part in named.partition_by("split", as_dict=True).items():
            write_events(part.drop("split"), folder / "data" / str(split) / shard.name)
    for source in (splits, dataset):
        with atomic(folder / "metadata" / source.name) as temporary:
            shutil.copyfile(source, temporary)
    described = pl.read_parquet(codes)
    if source_codes and medcodes and icd and phenotypes:
        of_source = describe_source_codes(
            pl.Series(sorted(seen), dtype=pl.String),
            pl.read_parquet(source_codes),
            medcodes,
            icd,
            phenotypes,
            products,
            procedures,
            level,
        )
        described = pl.concat([described, of_source])
    described = with_ancestors(described)
    write_codes(described, folder / "metadata" / codes.name)
    logger.info("meds: %d shards by split, %d codes", len(shards), described.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
