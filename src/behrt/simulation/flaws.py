"""Flaws of a delivery, which the cohort's rules have to handle."""

import numpy as np


def random_mask(generator: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Return a bool per row, true for a random `share` of the rows."""
    return generator.random(rows, dtype=np.float32) < np.float32(share)


def with_duplicates(generator: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Return the row numbers from 0 in order, a random `share` of them twice."""
    return np.repeat(np.arange(rows), 1 + random_mask(generator, rows, share))
