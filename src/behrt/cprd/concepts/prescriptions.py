"""Prescriptions: Therapy of CPRD GOLD, DrugIssue of CPRD Aurum."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt.cprd.shards import scan_shard


def scan_prescriptions(parts: Sequence[Path], shard: int, products: pl.DataFrame) -> pl.LazyFrame:
    """Scan one shard's prescriptions as `behrt.concept_events` counts them.

    A product that the dictionary lacks, or has without a code at the level of the run, is unmapped.

    Args:
        parts: extracted parts of therapy or drugissue.
        shard: number of the shard.
        products: what `behrt.cprd.concepts.products.read_products` returns.
    """
    prodcode = pl.col("prodcode")
    rows = scan_shard(parts, shard).join(products.lazy(), on="prodcode", how="left")
    unmapped = pl.col("events").is_null()
    return rows.select(
        "subject_id",
        day="eventdate",
        code=pl.when(prodcode != 0).then(prodcode).cast(pl.String),
        events="events",
        value=pl.lit(None, pl.Float32),
        unit=pl.lit(None, pl.String),
        outcome=pl.when(unmapped).then(pl.lit("unmapped")).otherwise(pl.lit("mapped")),
    )
