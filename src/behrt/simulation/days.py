"""Days as whole numbers, counted from 1970-01-01, and packed with the person they belong to."""

from datetime import date

import numpy as np

YEAR = 365.25
MONTH = YEAR / 12

NO_DAY = np.iinfo(np.int32).min
"""The day (int32) that represents a missing date."""

_VALUES = 2**20


def day_number(day: date | str) -> int:
    """Return the days from 1970-01-01 to a date, which may be an ISO string.

    >>> day_number("1970-02-01")
    31
    """
    return int(np.datetime64(day, "D").astype(int))


def pack(row: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Pack pairs of a row (at least 0) and a value into int64 keys that sort as the pairs do.

    The value is a day, or any other integer from -2**19 to 2**19 - 1.

    >>> pack(np.array([0, 0, 1]), np.array([-5, 12_000, -5]))
    array([ 524283,  536288, 1572859])
    """
    key: np.ndarray = row.astype(np.int64) * _VALUES + value + _VALUES // 2
    return key


def unpack(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and values (int64) that `pack` packed.

    >>> unpack(pack(np.array([0, 1]), np.array([12_000, -5])))
    (array([0, 1]), array([12000,    -5]))
    """
    row, value = np.divmod(key, _VALUES)
    return row, value - _VALUES // 2
