"""Average precision and AUROC, of a patient over diseases and of a disease over patients.

Both follow scikit-learn's definitions, including ties: every positive counts with the precision at
its own score, and a negative of the same score counts half for the AUROC. Scores are not sorted:
each positive is compared with the others, O(positives x classes).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

_COMPARED_AT_ONCE = 2_000_000
_POSITIVES_AT_ONCE = 1000


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
class Rankings:
    """Scored cases in order, of one disease or of several, to be weighted many times.

    The distinct scores of the positive cases of a disease divide the scores into segments: segment
    2k is between two of them, segment 2k + 1 is the k-th score itself. The rows of all diseases are
    laid end to end.

    Attributes:
        positives: (distinct scores, patients), positive cases at each, by patient.
        negatives: (segments, patients), negative cases within each, by patient.
        sizes: int64 (diseases), the distinct scores of each disease.
        known: the cases that `with_and_without_known` leaves out once, in the same rows.
    """

    positives: csr_array
    negatives: csr_array
    sizes: np.ndarray
    known: "Rankings | None" = None

    def metrics(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the scores of each disease under each weighting.

        Args:
            weights: float (patients, r), not negative; the weight of a case is that of its patient.

        Returns:
            float64 (diseases, r) each: average precision, AUROC, and the weight of the positives.
            NaN where undefined: positives without weight, and for the AUROC also negatives without
            weight.
        """
        return _metrics(*self._weighted(weights), self.sizes)

    def with_and_without_known(
        self, weights: np.ndarray
    ) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """Return `metrics` of all cases, and of those that are not known.

        It takes half the time of two rankings.
        """
        assert self.known is not None
        positives, negatives = self._weighted(weights)
        known_positives, known_negatives = self.known._weighted(weights)
        return _metrics(positives, negatives, self.sizes), _metrics(
            positives - known_positives, negatives - known_negatives, self.sizes
        )

    def _weighted(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return float64 (…, r): the weight of the positives, and of the negatives, by row."""
        return (
            np.asarray(self.positives @ weights, dtype=np.float64),
            np.asarray(self.negatives @ weights, dtype=np.float64),
        )


def _metrics(
    positives: np.ndarray, negatives: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `Rankings.metrics` does, from the weights of its rows."""
    disease = np.repeat(np.arange(len(sizes)), sizes)
    all_positives, positives_from_top = _from_the_top(positives, sizes)
    all_negatives, from_top = _from_the_top(negatives, 2 * sizes + 1)
    at_score = np.arange(len(disease)) * 2 + disease + 1
    at_least = from_top[at_score]
    with np.errstate(invalid="ignore", divide="ignore"):
        # A score without weight may have nothing at or above it.
        precision = positives_from_top / (positives_from_top + at_least)
        counted = np.where(positives > 0, positives * precision, 0.0)
        average_precision = _sums(counted, sizes) / all_positives
        misranked = positives * (at_least + from_top[at_score + 1])
        pairs = all_positives * all_negatives
        auroc = (pairs - 0.5 * _sums(misranked, sizes)) / pairs
    return average_precision, auroc, all_positives


def _sums(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the sums (groups, r) of rows (n, r) that are laid end to end in groups."""
    sums = np.zeros((len(sizes), rows.shape[1]))
    starts = np.cumsum(sizes) - sizes
    if len(rows):
        sums[sizes > 0] = np.add.reduceat(rows, starts[sizes > 0], axis=0)
    return sums


def _from_the_top(rows: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums (groups, r), and the sum (n, r) from each row to the last of its group.

    Whole numbers are added without an error.
    """
    from_top = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows[::-1], axis=0, out=from_top[-2::-1])
    ends = np.cumsum(sizes)
    above = from_top[ends]
    return from_top[ends - sizes] - above, from_top[:-1] - np.repeat(above, sizes, axis=0)


def rank(
    scores: np.ndarray,
    labels: np.ndarray,
    patient: np.ndarray,
    patients: int,
    disease: np.ndarray | None = None,
    diseases: int = 1,
    weight: np.ndarray | None = None,
    known: np.ndarray | None = None,
    dtype: Any = float,
) -> Rankings:
    """Return the cases of each disease in order of their scores.

    Args:
        scores: float (cases), finite.
        labels: bool (cases).
        patient: integers (cases): the patient whose case it is, from 0 to `patients` - 1.
        patients: number of patients.
        disease: integers (cases): the disease whose case it is, from 0 to `diseases` - 1; None if
            there is one.
        diseases: number of diseases.
        weight: float64 (cases); None for weights of 1.
        known: bool (cases), those that `Rankings.with_and_without_known` leaves out once.
        dtype: of the sums; float32 is exact up to 2**24 weighted cases.
    """
    weight = np.ones(len(scores), dtype) if weight is None else weight
    _, place = np.unique(scores, return_inverse=True)
    if disease is None:
        disease = np.zeros(len(scores), dtype=np.int64)
    place = place + disease * (len(scores) + 1)  # the order within the disease
    thresholds = np.unique(place[labels])
    sizes = np.bincount(thresholds // (len(scores) + 1), minlength=diseases)

    def rankings(positive: np.ndarray, negative: np.ndarray) -> Rankings:
        others = place[negative]
        segment = np.searchsorted(thresholds, others, "left")
        segment += np.searchsorted(thresholds, others, "right")
        segment += disease[negative]  # a disease has one segment more than twice its scores
        group = np.searchsorted(thresholds, place[positive])
        segments = 2 * len(thresholds) + diseases
        return Rankings(
            add_up(weight[positive], group, patient[positive], (len(thresholds), patients)),
            add_up(weight[negative], segment, patient[negative], (segments, patients)),
            sizes,
        )

    of_all = rankings(labels, ~labels)
    if known is None:
        return of_all
    return replace(of_all, known=rankings(labels & known, ~labels & known))


def rank_diseases(
    scores: np.ndarray, labels: np.ndarray, known: np.ndarray | None = None, dtype: Any = float
) -> list[Rankings]:
    """Return the rankings of patients by each disease, some diseases in each.

    Args:
        scores: float (patients, diseases), finite.
        labels: bool (patients, diseases).
        known: bool (patients, diseases), as `rank` takes it.
        dtype: as `rank` takes it.
    """
    patients = len(scores)
    rankings = []
    for some in _blocks(labels.sum(axis=0)):
        number = some.stop - some.start
        rankings.append(
            rank(
                scores[:, some].ravel(),
                labels[:, some].ravel(),
                np.repeat(np.arange(patients), number),
                patients,
                np.tile(np.arange(number), patients),
                number,
                known=None if known is None else known[:, some].ravel(),
                dtype=dtype,
            )
        )
    return rankings


def _blocks(positives: np.ndarray) -> list[slice]:
    """Divide diseases into blocks of few positives, whose sums fit in the processor's cache."""
    blocks, start, held = [], 0, 0
    for disease, count in enumerate(positives.tolist()):
        if held and held + count > _POSITIVES_AT_ONCE:
            blocks.append(slice(start, disease))
            start, held = disease, 0
        held += count
    return [*blocks, slice(start, len(positives))] if len(positives) else blocks


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
        float64 (r) each, as `Rankings.metrics`.

    Raises:
        ValueError: as `sample_metrics`.
    """
    _checked(scores, labels, None)
    if weights is None:
        weights = np.ones((len(scores), 1))
    average_precision, auroc, _ = rank(scores, labels, np.arange(len(scores)), len(scores)).metrics(
        weights
    )
    return average_precision[0], auroc[0]
