"""Days from text in a fixed format, all digits of a value at once."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

FIRST_YEAR, LAST_YEAR = 1800, 2199

_MONTHS, _DAYS = 20, 40
"""Of a year and a month of the calendar: the first digits allow numbers up to 19 and 39."""
_NO_DAY = np.iinfo(np.int32).min
_ROWS = 2**14
"""Values at a time, whose words fit into the processor's cache."""


def _calendar() -> np.ndarray:
    """Return days since 1970 (int32), by year, month and day of the month; _NO_DAY if none."""
    months = np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-02", dtype="datetime64[M]")
    starts = months.astype("datetime64[D]").astype(np.int32)
    day = np.arange(_DAYS, dtype=np.int32)
    exists = (day >= 1) & (day <= np.diff(starts)[:, None])
    in_months = np.where(exists, starts[:-1, None] + day - 1, _NO_DAY)
    calendar = np.full((LAST_YEAR - FIRST_YEAR + 1, _MONTHS, _DAYS), _NO_DAY, dtype=np.int32)
    calendar[:, 1:13] = in_months.reshape(-1, 12, _DAYS)
    return calendar.ravel()


_CALENDAR = _calendar()


def parse_days(text: pl.Series, label: str) -> pl.Series:
    """Return the days (Date) that text has in a format; null for any other text or year.

    Args:
        text: strings.
        label: the format, at most 12 characters: DD, MM and YYYY, in any order, and separators.

    >>> parse_days(pl.Series(["29/02/2000", "29/02/2001", "1/1/2000"]), "DD/MM/YYYY").to_list()
    [datetime.date(2000, 2, 29), None, None]
    """
    # Arrow's layout of string views: 16 bytes per value, the length as int32, then its text if it
    # has at most 12 bytes.
    views = text.to_arrow(compat_level=pl.CompatLevel.newest())
    words = np.ndarray((len(text), 2), "<u8", views.buffers()[1], 16 * views.offset)
    days = np.empty(len(text), dtype=np.int32)
    for start in range(0, len(text), _ROWS):
        days[start : start + _ROWS] = _days(words[start : start + _ROWS], label)
    valid = days != _NO_DAY
    if text.has_nulls():
        valid &= text.is_not_null().to_numpy()
    found = pl.Series(text.name, days).cast(pl.Date)
    return found if valid.all() else found.set(pl.Series(~valid), None)


def _days(words: np.ndarray, label: str) -> np.ndarray:
    """Return the days (int32) of views, uint64 (n, 2); _NO_DAY for any that are not in the form."""
    form = _form(label)
    # Bytes become the digits, from 0 to 9; those of the length and the separators become 0.
    first, second = words[:, 0] ^ form.text[0], words[:, 1] ^ form.text[1]
    wrong = ((first + form.slack[0]) | first) & form.mask[0]
    wrong |= ((second + form.slack[1]) | second) & form.mask[1]
    # Each byte becomes the number of two digits that starts there.
    characters = (first >> 32) | (second << 32)
    characters = 10 * characters + (characters >> 8)
    second = 10 * second + (second >> 8)

    def number(position: int) -> Any:
        if position < 7:
            return (characters >> (8 * position)) & 255
        return (second >> (8 * (position - 4))) & 255

    year = label.index("YYYY")
    place = number(year)
    place *= 100
    place += number(year + 2)
    place *= _MONTHS
    place += number(label.index("MM"))
    place *= _DAYS
    place += number(label.index("DD"))
    days: np.ndarray = _CALENDAR.take(
        place.view(np.int64) - FIRST_YEAR * _MONTHS * _DAYS, mode="clip"
    )
    days[wrong != 0] = _NO_DAY
    return days


class _Form(NamedTuple):
    """A format as views in it have it: each of the fields has uint64 (2).

    Attributes:
        text: the length, the separators, and "0" in place of digits.
        slack: 15 less the highest digit, in place of each.
        mask: bits that are 0 after the exclusive or with `text`, of the digits after the sum with
            `slack` too.
    """

    text: np.ndarray
    slack: np.ndarray
    mask: np.ndarray


@cache
def _form(label: str) -> _Form:
    highest = [9 if letter in "DMY" else 0 for letter in label]
    highest[label.index("MM")], highest[label.index("DD")] = 1, 3
    digits = [letter in "DMY" for letter in label]
    text = ["0" if digit else letter for digit, letter in zip(digits, label, strict=True)]
    slack = [15 - most if digit else 0 for digit, most in zip(digits, highest, strict=True)]
    mask = [0xF0 if digit else 0xFF for digit in digits]

    def words(length: bytes, values: bytes) -> np.ndarray:
        return np.frombuffer(length + values.ljust(12, b"\0"), dtype="<u8")

    return _Form(
        words(len(label).to_bytes(4, "little"), "".join(text).encode()),
        words(bytes(4), bytes(slack)),
        words(b"\xff" * 4, bytes(mask)),
    )
