"""Bootstrap intervals: patients are drawn with replacement (Efron, Annals of Statistics 1979).

The draws depend only on the seed, a name and the number of patients. Models are compared on the
same draws, so differences are paired.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

LEVEL = 0.95
RESAMPLES_AT_ONCE = 64
"""Resamples per step of a computation, so that their weights fit in the processor's cache."""
_PATIENTS_AT_ONCE = 1024


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are computed.

    Attributes:
        resamples: number of resamples of patients.
        seed: of the draws.
    """

    resamples: int
    seed: int


@lru_cache(maxsize=1)
def draws(patients: int, bootstrap: Bootstrap, name: str) -> np.ndarray:
    """Return how often each patient is drawn in each resample.

    The last draws are kept, because models and metrics are resampled one by one. They take one
    byte per patient and resample: that a patient is drawn more than 255 times in a resample has a
    probability below 1e-500.

    Args:
        patients: number of patients, and of draws per resample.
        bootstrap: number of resamples, and the seed.
        name: the same name gives the same draws.

    Returns:
        uint8 (patients, resamples), read only.
    """
    generator = np.random.default_rng([bootstrap.seed, *name.encode()])
    drawn = np.empty((patients, bootstrap.resamples), np.uint8)
    for start in range(0, bootstrap.resamples, RESAMPLES_AT_ONCE):
        some = drawn[:, start : start + RESAMPLES_AT_ONCE]
        by_resample = np.empty(some.shape[::-1], np.uint8)
        for row in by_resample:
            row[:] = np.bincount(generator.integers(patients, size=patients), minlength=patients)
        some[:] = by_resample.T
    drawn.flags.writeable = False
    return drawn


def drawn_weights(
    patients: int,
    bootstrap: Bootstrap,
    name: str,
    dtype: Any = np.float64,
    at_once: int = RESAMPLES_AT_ONCE,
) -> Iterator[np.ndarray]:
    """Yield `draws` as weights of the patients, (patients, r) of a dtype, at most `at_once`."""
    drawn = draws(patients, bootstrap, name)
    for start in range(0, bootstrap.resamples, at_once):
        yield drawn[:, start : start + at_once].astype(dtype, order="C")


def resampled_sums(values: Callable[[slice], np.ndarray], drawn: np.ndarray) -> np.ndarray:
    """Return the sums of values of all patients, and of each resample.

    The sums of some patients at a time are computed in the dtype of the values. Whole numbers that
    add up to less than 2**24 in them, such as up to 1000 per patient, are added without an error
    in float32.

    Args:
        values: returns float32 or float64 (n, k) of n patients, a slice.
        drawn: uint8 (patients, resamples), at least one patient, as `draws` returns them.

    Returns:
        float64 (k, 1 + resamples), first of all patients.
    """
    sums: np.ndarray | None = None
    for start in range(0, len(drawn), _PATIENTS_AT_ONCE):
        some = slice(start, start + _PATIENTS_AT_ONCE)
        weights = np.pad(drawn[some], ((0, 0), (1, 0)), constant_values=1)
        of_some = values(some)
        product = of_some.T @ weights.astype(of_some.dtype)
        if sums is None:
            sums = product.astype(np.float64)
        else:
            sums += product
    assert sums is not None
    return sums


def resampled_means(values: np.ndarray, bootstrap: Bootstrap, name: str) -> np.ndarray:
    """Return the mean of each column in each resample, over the patients with a value.

    >>> values = np.array([[0.2], [0.4], [0.9]])
    >>> low, high = interval(resampled_means(values, Bootstrap(1000, seed=2020), "T1"))
    >>> low.round(1).tolist(), high.round(1).tolist()
    ([0.2], [0.9])

    Args:
        values: float64 (patients, k), NaN where undefined.
        bootstrap, name: as `draws` takes them.

    Returns:
        float64 (resamples, k), NaN where no drawn patient has a value.
    """
    defined = ~np.isnan(values)
    some_undefined = ~defined.all(axis=0)
    filled = np.where(defined, values, 0.0)
    defined_of_some = defined[:, some_undefined].astype(np.float64)
    means = []
    for weights in drawn_weights(len(values), bootstrap, name):
        count = np.full((weights.shape[1], values.shape[1]), float(len(values)))
        count[:, some_undefined] = weights.T @ defined_of_some
        with np.errstate(invalid="ignore"):
            means.append((weights.T @ filled) / count)
    return np.concatenate(means)


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper end of the 95 % percentile interval of each column.

    Args:
        resampled: float64 (resamples, k).

    Returns:
        float64 (k) each; NaN if any resample is undefined, because the support is then too small
        for an interval.
    """
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return low, high
