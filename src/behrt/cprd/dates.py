"""Days from text in a fixed format, eight digits at a time."""

import numpy as np
import polars as pl

FIRST_YEAR, LAST_YEAR = 1800, 2199

_NO_DAY = np.iinfo(np.int32).min


def _calendar() -> np.ndarray:
    """Return days since 1970 (int32), by year, month (16) and day (32); _NO_DAY if none."""
    months = np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-02", dtype="datetime64[M]")
    starts = months.astype("datetime64[D]").astype(np.int32)
    day = np.arange(32, dtype=np.int32)
    exists = (day >= 1) & (day <= np.diff(starts)[:, None])
    calendar = np.full((LAST_YEAR - FIRST_YEAR + 1, 16, 32), _NO_DAY, dtype=np.int32)
    in_months = np.where(exists, starts[:-1, None] + day - 1, _NO_DAY)
    calendar[:, 1:13] = in_months.reshape(-1, 12, 32)
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
    first, second = words[:, 0], words[:, 1]
    is_text, form = _form(label)
    valid = ((first & is_text[0]) == form[0]) & ((second & is_text[1]) == form[1])
    beginning = (first >> 32) | (second << 32)

    def part(name: str) -> np.ndarray:
        start, bits = label.index(name), np.uint64(256 ** len(name) - 1)
        if start + len(name) <= 8:
            return (beginning >> (8 * start)) & bits
        return (second >> (8 * (start - 4))) & bits

    # Bytes with the digits DDMMYYYY, then with the numbers DD, 0, MM, 0, YY, 0, YY, 0
    digits = (part("DD") | (part("MM") << 16) | (part("YYYY") << 32)) ^ _each_byte(0x30)
    valid &= ((digits | (digits + _each_byte(0x06))) & _each_byte(0xF0)) == 0
    numbers = (10 * digits + (digits >> 8)) & np.uint64(0x00FF00FF00FF00FF)
    valid &= (numbers & np.uint64(0x00F000E0)) == 0  # at most 31 and 15
    year = 100 * ((numbers >> 32) & np.uint64(0xFF)) + (numbers >> 48)
    month, day = (numbers >> 16) & np.uint64(0xFF), numbers & np.uint64(0xFF)
    position = (512 * year + 32 * month + day).view(np.int64) - 512 * FIRST_YEAR
    days = _CALENDAR.take(position, mode="clip")
    valid &= days != _NO_DAY
    if text.has_nulls():
        valid &= text.is_not_null().to_numpy()
    found = pl.Series(text.name, days).cast(pl.Date)
    return found if valid.all() else found.set(pl.Series(~valid), None)


def _form(label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of a view that its format determines, and their values, as two uint64."""
    fixed = bytes(0 if letter in "DMY" else 255 for letter in label)
    known = bytes(0 if letter in "DMY" else ord(letter) for letter in label)
    bits = b"\xff" * 4 + fixed.ljust(12, b"\0")
    values = len(label).to_bytes(4, "little") + known.ljust(12, b"\0")
    return np.frombuffer(bits, "<u8"), np.frombuffer(values, "<u8")


def _each_byte(value: int) -> np.uint64:
    return np.uint64(value * 0x0101010101010101)
