"""Bootstrap intervals: patients are drawn with replacement (Efron, Annals of Statistics 1979).

The draws depend only on the seed, a name and the number of patients. Models are compared on the
same draws, so differences are paired.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

LEVEL = 0.95
DRAWS_AT_ONCE = 64
"""Resamples per step of a computation, so that their weights fit in the processor's cache."""
_WEIGHTS_AT_ONCE = 4_000_000
_MOST_KEPT = 32_000_000


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are computed.

    Attributes:
        resamples: number of resamples of patients.
        seed: of the draws.
    """

    resamples: int
    seed: int


def draws(patients: int, bootstrap: Bootstrap, name: str) -> Iterator[np.ndarray]:
    """Yield how often each patient is drawn, in chunks of resamples, so memory is bounded.

    The draws of few patients are kept, because models and metrics are resampled one by one.

    Args:
        patients: number of patients, and of draws per resample.
        bootstrap: number of resamples, and the seed.
        name: the same name gives the same draws.

    Yields:
        float64 (r, patients), whole numbers; the r add up to the number of resamples.
    """
    if patients * bootstrap.resamples > _MOST_KEPT:
        yield from _drawn(patients, bootstrap, name)
    else:
        for chunk in _kept(patients, bootstrap, name):
            yield chunk.astype(np.float64)


def drawn_by_patient(
    patients: int, bootstrap: Bootstrap, name: str, at_once: int = DRAWS_AT_ONCE
) -> Iterator[np.ndarray]:
    """Yield `draws` as weights of the patients, a few resamples at a time.

    Args:
        patients, bootstrap, name: as `draws` takes them.
        at_once: the most resamples.

    Yields:
        float64 (patients, r), contiguous.
    """
    for weights in draws(patients, bootstrap, name):
        for start in range(0, len(weights), at_once):
            yield np.ascontiguousarray(weights[start : start + at_once].T)


@lru_cache(maxsize=2)
def _kept(patients: int, bootstrap: Bootstrap, name: str) -> list[np.ndarray]:
    dtype = np.min_scalar_type(patients)
    return [chunk.astype(dtype) for chunk in _drawn(patients, bootstrap, name)]


def _drawn(patients: int, bootstrap: Bootstrap, name: str) -> Iterator[np.ndarray]:
    generator = np.random.default_rng([bootstrap.seed, *name.encode()])
    step = max(1, _WEIGHTS_AT_ONCE // max(patients, 1))
    for start in range(0, bootstrap.resamples, step):
        weights = np.empty((min(step, bootstrap.resamples - start), patients))
        for row in weights:
            row[:] = np.bincount(generator.integers(patients, size=patients), minlength=patients)
        yield weights


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
    filled = np.where(defined, values, 0.0)
    means = [
        (weights @ filled, weights @ defined.astype(np.float64))
        for weights in draws(len(values), bootstrap, name)
    ]
    with np.errstate(invalid="ignore"):
        return np.concatenate([total / count for total, count in means])


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
