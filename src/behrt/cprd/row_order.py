"""Rows in the order of all their columns."""

from typing import NamedTuple

import numpy as np
import polars as pl

KEY_BITS = 64


def sort_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by every column, the first one first; null comes before all values.

    Rows of integers and dates are packed into one uint64 each, sorted, and unpacked, in a fraction
    of the time of a sort by several columns.
    """
    if all(kind.is_integer() or kind == pl.Date for kind in frame.dtypes):
        packed = _pack(frame)
        if packed is not None:
            key, steps = packed
            key.sort()
            return _unpack(key, steps)
    return frame.sort(pl.all())


class _Column(NamedTuple):
    """How a key holds a column: as its lowest bits, from 0, which is null if there are nulls."""

    name: str
    dtype: pl.DataType
    bits: int
    lowest: int
    has_nulls: bool


_Ranked = np.ndarray
"""The different keys of the columns so far, in order; their ranks are the key from then on."""


def _pack(frame: pl.DataFrame) -> tuple[np.ndarray, list[_Column | _Ranked]] | None:
    """Return a uint64 per row whose order is that of the rows, and how it is made.

    A key has the columns' bits, the first column's on top. Where these are more than 64, the ranks
    of the key so far replace it. Return None where this does not suffice.
    """
    key, used = np.zeros(frame.height, dtype=np.uint64), 0
    steps: list[_Column | _Ranked] = []
    for column in frame.iter_columns():
        numbers, step = _from_zero(column)
        if used + step.bits > KEY_BITS:
            different, ranks = np.unique(key, return_inverse=True)
            key, used = ranks.astype(np.uint64), (len(different) - 1).bit_length()
            steps.append(different)
        if used + step.bits > KEY_BITS:
            return None
        key <<= np.uint64(step.bits)
        key |= numbers
        used += step.bits
        steps.append(step)
    return key, steps


def _unpack(key: np.ndarray, steps: list[_Column | _Ranked]) -> pl.DataFrame:
    columns = []
    for step in reversed(steps):
        if isinstance(step, np.ndarray):
            key = step[key]
            continue
        from_zero = key & np.uint64(2**step.bits - 1)
        numbers = from_zero + np.uint64(step.lowest % 2**64)
        column = pl.Series(step.name, numbers.view(np.int64)).cast(step.dtype)
        if step.has_nulls:
            column = column.set(pl.Series(from_zero == 0), None)
        columns.append(column)
        key = key >> np.uint64(step.bits)
    return pl.DataFrame(columns[::-1])


def _from_zero(column: pl.Series) -> tuple[np.ndarray, _Column]:
    """Return a column as uint64 from 0, in the same order, and how it is made."""
    numbers = column.to_physical().cast(pl.Int64)
    lowest, highest = numbers.min(), numbers.max()
    has_nulls = column.has_nulls()
    if not isinstance(lowest, int) or not isinstance(highest, int):  # no values
        lowest = highest = 0
    if has_nulls:
        lowest -= 1
        numbers = numbers.fill_null(lowest)
    # of two's complements, so that a range of 2^63 does not overflow
    from_zero = numbers.to_numpy().view(np.uint64) - np.uint64(lowest % 2**64)
    bits = (highest - lowest).bit_length()
    return from_zero, _Column(column.name, column.dtype, bits, lowest, has_nulls)
