"""Ranges of unequal length, joined: flat arrays with offsets."""

import numpy as np


def ragged_ranges(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions start … start + length − 1 of every range, joined, and their offsets."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


def ragged_take(offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat positions of the chosen rows of a ragged array, and the new offsets."""
    return ragged_ranges(offsets[rows], offsets[rows + 1] - offsets[rows])
