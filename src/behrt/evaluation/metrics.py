"""Average precision and AUROC, of a patient over diseases and of a disease over patients.

Both follow scikit-learn's definitions, including ties: every positive counts with the precision at
its own score, and a negative of the same score counts half for the AUROC. Scores are not sorted:
each positive is compared with the others, O(positives x classes).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

_COMPARED_AT_ONCE = 2_000_000


def _checked(scores: np.ndarray, labels: np.ndarray, mask: np.ndarray | None) -> None:
    if scores.shape != labels.shape or (mask is not None and mask.shape != scores.shape):
        raise ValueError("scores, labels and mask must have the same shape")
    if labels.dtype != np.bool_ or (mask is not None and mask.dtype != np.bool_):
        raise ValueError("labels and mask must be boolean")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")


def sample_metrics(
    scores: np.ndarray, labels: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return each patient's average precision and AUROC over the diseases.

    >>> scores = np.array([[0.9, 0.5, 0.2, 0.1]])
    >>> labels = np.array([[True, False, True, False]])
    >>> average_precision, auroc = sample_metrics(scores, labels)
    >>> average_precision.round(3).tolist(), auroc.tolist()
    ([0.833], [0.75])

    Args:
        scores: float (n, d), finite; higher means more likely.
        labels: bool (n, d), True where the patient has the disease.
        mask: bool (n, d), False where a disease is left out for a patient; None keeps all.

    Returns:
        float64 (n) each. NaN where undefined: without a positive, and the AUROC also without a
        negative.

    Raises:
        ValueError: the shapes differ, labels or mask are not boolean, or a score is not finite.
    """
    _checked(scores, labels, mask)
    if mask is None:
        classes = np.full(len(scores), scores.shape[1])
    else:
        labels = labels & mask
        scores = np.where(mask, scores, -np.inf)  # never at or above a positive
        classes = np.count_nonzero(mask, axis=1)
    rows, columns = np.nonzero(labels)
    precision = np.empty(len(rows))
    ranked_higher = np.empty(len(rows))  # negatives at or above, those above counted twice
    step = max(1, _COMPARED_AT_ONCE // max(scores.shape[1], 1))
    for start in range(0, len(rows), step):
        chosen = slice(start, start + step)
        row = rows[chosen]
        others, positive = scores[row], labels[row]
        own = others[np.arange(len(row)), columns[chosen]][:, np.newaxis]
        at_least, above = others >= own, others > own
        all_at_least = np.count_nonzero(at_least, axis=1)
        positives_at_least = np.count_nonzero(at_least & positive, axis=1)
        positives_above = np.count_nonzero(above & positive, axis=1)
        precision[chosen] = positives_at_least / all_at_least
        ranked_higher[chosen] = (all_at_least - positives_at_least) + (
            np.count_nonzero(above, axis=1) - positives_above
        )
    positives = np.bincount(rows, minlength=len(scores))
    negatives = classes - positives
    with np.errstate(invalid="ignore"):
        average_precision = np.bincount(rows, precision, len(scores)) / positives
        misranked = 0.5 * np.bincount(rows, ranked_higher, len(scores))
        pairs = positives * negatives
        auroc = (pairs - misranked) / pairs
    return average_precision, auroc


def sample_average_precision(
    scores: np.ndarray, labels: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """Return each patient's average precision; see `sample_metrics`."""
    return sample_metrics(scores, labels, mask)[0]


@dataclass(frozen=True)
class Ranking:
    """Scored cases in order, of one disease or of all, to be weighted many times.

    The distinct scores of the positive cases divide the scores into segments: segment 2k is
    between two of them, segment 2k + 1 is the k-th score itself.

    Attributes:
        positives: (distinct scores, patients), positive cases at each, by patient.
        negatives: (segments, patients), negative cases within each, by patient.
    """

    positives: csr_array
    negatives: csr_array

    def metrics(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the average precision and the AUROC of the cases under each weighting.

        Args:
            weights: float (patients, r), not negative; the weight of a case is that of its patient.

        Returns:
            float64 (r) each. NaN where undefined: positives without weight, and for the AUROC
            also negatives without weight.
        """
        positives, negatives, from_the_top = self._weighted(weights)
        positives_at_least = np.cumsum(positives[::-1], axis=0)[::-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = positives_at_least / (positives_at_least + from_the_top[1::2])
            # A group without weight may have nothing at or above it.
            counted = np.where(positives > 0, positives * precision, 0.0).sum(axis=0)
            average_precision = counted / positives.sum(axis=0)
        return average_precision, _auroc(positives, negatives, from_the_top)

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """Return the AUROC under each weighting, as `metrics`."""
        return _auroc(*self._weighted(weights))

    def _weighted(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return float64 (…, r): positives, negatives, and negatives from each segment up."""
        negatives = np.asarray(self.negatives @ weights, dtype=np.float64)
        positives = np.asarray(self.positives @ weights, dtype=np.float64)
        return positives, negatives, np.cumsum(negatives[::-1], axis=0)[::-1]


def _auroc(positives: np.ndarray, negatives: np.ndarray, from_the_top: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        misranked = 0.5 * (positives * (from_the_top[1::2] + from_the_top[2::2])).sum(axis=0)
        pairs = positives.sum(axis=0) * negatives.sum(axis=0)
        auroc: np.ndarray = (pairs - misranked) / pairs
    return auroc


def rank(
    scores: np.ndarray, labels: np.ndarray, patient: np.ndarray, patients: int, dtype: Any = float
) -> Ranking:
    """Return cases in order of their scores.

    Args:
        scores: float (cases), finite.
        labels: bool (cases).
        patient: integers (cases): the patient whose case it is, from 0 to `patients` - 1.
        patients: number of patients.
        dtype: of the sums; float32 is exact up to 2**24 weighted cases.
    """
    thresholds, group = np.unique(scores[labels], return_inverse=True)
    others = scores[~labels]
    segment = np.searchsorted(thresholds, others, "left")
    segment += np.searchsorted(thresholds, others, "right")
    return Ranking(
        count(group, patient[labels], (len(thresholds), patients), dtype),
        count(segment, patient[~labels], (2 * len(thresholds) + 1, patients), dtype),
    )


def count(
    group: np.ndarray, patient: np.ndarray, shape: tuple[int, int], dtype: Any = float
) -> csr_array:
    """Return the number of cases of each patient (columns) in each group (rows)."""
    return add_up(np.ones(len(group), dtype), group, patient, shape)


def add_up(
    values: np.ndarray, group: np.ndarray, patient: np.ndarray, shape: tuple[int, int]
) -> csr_array:
    """Return the sum of the values of each patient (columns) in each group (rows)."""
    cases = csr_array((values, (group, patient)), shape=shape)
    cases.sum_duplicates()
    return cases


def disease_metrics(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return one disease's average precision and AUROC over weighted patients.

    >>> scores = np.array([0.9, 0.5, 0.2, 0.1])
    >>> average_precision, auroc = disease_metrics(scores, np.array([True, False, True, False]))
    >>> average_precision.round(3).tolist(), auroc.tolist()
    ([0.833], [0.75])

    Args:
        scores: float (n), finite.
        labels: bool (n).
        weights: float64 (n, r), not negative: r weightings of the patients, as of a
            bootstrap; None for one weighting of ones.

    Returns:
        float64 (r) each, as `Ranking.metrics`.

    Raises:
        ValueError: as `sample_metrics`.
    """
    _checked(scores, labels, None)
    if weights is None:
        weights = np.ones((len(scores), 1))
    return rank(scores, labels, np.arange(len(scores)), len(scores)).metrics(weights)
