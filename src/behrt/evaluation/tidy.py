"""What all tables have in common: decimals, and first columns that say what they are about."""

from pathlib import Path

import polars as pl

from behrt.files import read_csv

DECIMALS = 4
SMALL_DECIMALS = 6
"""Decimals of risks and net benefits, which are small."""


def with_facts(frame: pl.DataFrame, **facts: str) -> pl.DataFrame:
    """Return the frame with the same text in every row, a column a fact, before its own columns."""
    return frame.select(*(pl.lit(text).alias(name) for name, text in facts.items()), pl.all())


def read_table(path: Path) -> pl.DataFrame:
    """Read a table; a number that is not shown, or undefined, is null."""
    return read_csv(path)
