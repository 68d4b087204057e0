"""Numbers of the check's report: rounded, and hidden where they are small."""

import math
from collections.abc import Callable


def significant(value: float, digits: int = 2, to: Callable[[float], float] = round) -> int:
    """Return a number with a few significant digits; 0 for a number that is not positive.

    >>> significant(123_456), significant(123_456, to=math.ceil)
    (120000, 130000)
    """
    if value <= 0:
        return 0
    unit = 10 ** max(math.floor(math.log10(value)) - digits + 1, 0)
    return int(to(value / unit) * unit)


def patients(value: float, threshold: int, to: Callable[[float], float] = round) -> int | None:
    """Return an estimated number of patients in tens, with two digits; None for a small one."""
    if 0 < value < threshold:
        return None
    return significant(int(to(value / 10)) * 10, 2, to)


def rows(value: float, threshold: int) -> int | None:
    """Return a number of rows or codes with three significant digits; None for a small one."""
    return None if 0 < value < threshold else significant(value, 3)


def share(part: int, whole: int, threshold: int) -> float | None:
    """Return a share, or None where a small count would follow from it."""
    if 0 < part < threshold or 0 < whole - part < threshold or not whole:
        return None
    return round(part / whole, 3)
