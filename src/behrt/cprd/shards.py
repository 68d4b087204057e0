"""Extracted source tables: one shard of any number of parts."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl


def scan(parts: Sequence[Path]) -> pl.LazyFrame:
    """Scan all parts of a source table."""
    return pl.scan_parquet(list(parts))


def scan_shard(parts: Sequence[Path], shard: int) -> pl.LazyFrame:
    """Scan the rows of one shard; the column `patid` becomes `subject_id`."""
    rows = scan(parts).filter(pl.col("shard") == shard).drop("shard")
    return rows.rename({"patid": "subject_id"})


def scan_days(parts: Sequence[Path], shard: int, date: str) -> pl.LazyFrame:
    """Scan subject_id and day (Date, null where missing) of one shard's rows.

    Args:
        parts: extracted parts, of one source table or several.
        shard: number of the shard.
        date: the column with the day.
    """
    schema = {"patid": pl.Int64, date: pl.Date, "shard": pl.UInt16}
    rows = pl.scan_parquet(list(parts), schema=schema, extra_columns="ignore")
    in_shard = rows.filter(pl.col("shard") == shard)
    return in_shard.select(subject_id="patid", day=date)
