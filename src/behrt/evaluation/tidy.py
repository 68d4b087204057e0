"""Common parts of all tables: decimals, and columns with the same text in every row."""

from pathlib import Path

import polars as pl

from behrt.files import read_csv

DECIMALS = 4
SMALL_DECIMALS = 6
"""Decimals of risks and net benefits, which are small."""


def with_facts(frame: pl.DataFrame, **facts: str) -> pl.DataFrame:
    """Return the frame with a column for each fact, the same text in every row, before its own."""
    return frame.select(*(pl.lit(text).alias(name) for name, text in facts.items()), pl.all())


def read_table(path: Path) -> pl.DataFrame:
    """Read a table; a number that is hidden or undefined is null.

    A column without any value is Float64: the file does not show that it holds numbers.
    """
    frame = read_csv(path)
    blank = [name for name in frame.columns if frame[name].null_count() == len(frame) > 0]
    return frame.with_columns(pl.col(name).cast(pl.Float64) for name in blank)
