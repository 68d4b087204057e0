"""Which of a disease's codes a record has: the first of its list most often."""

import numpy as np

_SKEW = 1.6


def draw_mostly_first(
    draws: np.random.Generator, start: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Return one index in [start, start + size) per element; half are in the first third."""
    index: np.ndarray = start + skewed(draws.random(len(size)), size)
    return index


def skewed(drawn: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return one index (int64) in [0, size) per number in [0, 1)."""
    index: np.ndarray = (drawn**_SKEW * size).astype(np.int64)
    return index


def draw_probability(place: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return P(`draw_mostly_first` draws the index start + place), given the size."""
    share: np.ndarray = ((place + 1) / size) ** (1 / _SKEW) - (place / size) ** (1 / _SKEW)
    return share
