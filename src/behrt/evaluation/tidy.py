"""What all tables have in common: decimals, and first columns that say what they are about."""

import polars as pl

DECIMALS = 4


def with_facts(frame: pl.DataFrame, **facts: str) -> pl.DataFrame:
    """Return the frame with the same text in every row, a column a fact, before its own columns."""
    return frame.select(*(pl.lit(text).alias(name) for name, text in facts.items()), pl.all())
