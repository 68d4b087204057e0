"""Which of a disease's codes a record has: the first of its list most often."""

import numpy as np

_SKEW = 1.6


def draw_mostly_first(
    draws: np.random.Generator, start: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Return one index in [start, start + size) per element; half are in the first third."""
    part = draws.random(len(size)) ** _SKEW
    index: np.ndarray = start + (part * size).astype(np.int64)
    return index


def draw_probability(place: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return P(`draw_mostly_first` draws the index start + place), given the size."""
    share: np.ndarray = ((place + 1) / size) ** (1 / _SKEW) - (place / size) ** (1 / _SKEW)
    return share
