"""Whether patients whose vectors are near each other share a future."""

from collections.abc import Mapping

import dataframely as dy
import numpy as np
import polars as pl

from behrt.evaluation.bootstrap import Bootstrap, interval, resampled_means
from behrt.evaluation.models import LABEL_SETS

_PATIENTS_AT_ONCE = 1024


class PatientNeighbours(dy.Schema):
    """One row per model and label set; see `shared_futures`."""

    model = dy.String()
    labels = dy.String(check=lambda labels: labels.is_in(list(LABEL_SETS)))
    neighbours = dy.Int64(min=1)
    value = dy.Float64(nullable=True, min=0, max=1)
    low = dy.Float64(nullable=True)
    high = dy.Float64(nullable=True)
    chance = dy.Float64(nullable=True, min=0, max=1)
    lift = dy.Float64(nullable=True)
    lift_low = dy.Float64(nullable=True)
    lift_high = dy.Float64(nullable=True)
    patients = dy.Int64(min=0)
    undefined = dy.Int64(min=0)


def nearest_patients(vectors: np.ndarray, neighbours: int) -> np.ndarray:
    """Return int64 (n, k): the patients nearest to each one, in no particular order.

    Nearness is the cosine of the vectors less their mean: the vectors of a network have a large
    part in common.

    Args:
        vectors: float (n, size), one per patient.
        neighbours: k, less than n.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    nearest = np.empty((len(vectors), neighbours), dtype=np.int64)
    for start in range(0, len(vectors), _PATIENTS_AT_ONCE):
        rows = np.arange(start, min(start + _PATIENTS_AT_ONCE, len(vectors)))
        cosine = centred[rows] @ centred.T
        cosine[np.arange(len(rows)), rows] = -np.inf
        nearest[rows] = np.argpartition(-cosine, neighbours - 1, axis=1)[:, :neighbours]
    return nearest


def shared_futures(
    nearest: np.ndarray, futures: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which share of a patient's future diseases neighbours have in theirs, and by chance.

    >>> futures = np.array([[True, True], [True, False], [False, False]])
    >>> shared, chance = shared_futures(np.array([[1], [0], [0]]), futures, futures)
    >>> shared.tolist(), chance.tolist()
    ([0.5, 1.0, nan], [0.25, 0.5, nan])

    Args:
        nearest: int64 (n, k), the neighbours of each patient.
        futures: bool (n, diseases), the diseases of each patient's label.
        wanted: bool (n, diseases), those of them that count, such as the first incidences.

    Returns:
        Both are float64 (n), means over the patient's diseases that count and over the k
        neighbours, or over all other patients; NaN for a patient without a disease that counts.
    """
    counts = wanted.sum(axis=1)
    others = (futures.sum(axis=0) - futures) / max(len(futures) - 1, 1)
    shares = np.empty(futures.shape)
    for start in range(0, len(futures), _PATIENTS_AT_ONCE):
        rows = slice(start, start + _PATIENTS_AT_ONCE)
        shares[rows] = futures[nearest[rows]].mean(axis=1)
    with np.errstate(invalid="ignore"):
        return (shares * wanted).sum(axis=1) / counts, (others * wanted).sum(axis=1) / counts


def compare_vectors(
    vectors: Mapping[str, np.ndarray],
    labels: np.ndarray,
    known: np.ndarray,
    neighbours: int,
    bootstrap: Bootstrap,
    task: str,
) -> dy.DataFrame[PatientNeighbours]:
    """Return how much of the future near patients share, for the vectors of each model.

    *Value* is the mean over patients of `shared_futures`, *chance* the same for patients at random,
    and *lift* the first over the second. The resamples of patients are those of tables 1 and 2; the
    neighbours are found once.

    Args:
        vectors: by name of the model, float (n, size).
        labels, known: bool (n, diseases).
        neighbours: per patient, at most.
        bootstrap, task: as `draws` takes them.
    """
    k = min(neighbours, len(labels) - 1)
    rows = []
    for model, own in vectors.items():
        nearest = nearest_patients(own, k)
        for label_set in LABEL_SETS:
            wanted = labels if label_set == "all" else labels & ~known
            both = np.column_stack(shared_futures(nearest, labels, wanted))
            defined = int((~np.isnan(both[:, 0])).sum())
            drawn = resampled_means(both, bootstrap, task)
            with np.errstate(invalid="ignore", divide="ignore"):
                value, chance = np.nansum(both, axis=0) / defined
                lift = value / chance
                lifts = drawn[:, :1] / drawn[:, 1:]
            low, high = interval(np.column_stack([drawn[:, :1], lifts]))
            rows.append(
                {
                    **{"model": model, "labels": label_set, "neighbours": k},
                    **{"value": value, "low": low[0], "high": high[0], "chance": chance},
                    **{"lift": lift, "lift_low": low[1], "lift_high": high[1]},
                    **{"patients": defined, "undefined": len(both) - defined},
                }
            )
    return PatientNeighbours.validate(pl.DataFrame(rows).fill_nan(None), cast=True)
