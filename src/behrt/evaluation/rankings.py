"""Average precision and AUROC of a disease over patients, under many weightings of the patients.

Both follow scikit-learn's definitions, ties included (`behrt.evaluation.metrics`). The cases of a
disease are sorted once. Its distinct scores of positive cases, its *levels*, divide the others into
segments, so each weighting takes one addition per case and a few operations per level.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from behrt.evaluation.bootstrap import Bootstrap, drawn_weights
from behrt.evaluation.metrics import check_scored

_POSITIVES_AT_ONCE = 500
_MOST_DRAWN = 32
"""No patient is drawn more often in a resample; the probability is below 1e-36."""
_LEVELS_AT_ONCE = 500
_CHUNKS_AT_ONCE = 4
_TINY = 1e-30


@dataclass(frozen=True)
class Rankings:
    """Scored cases in order, of one disease or of several, to be weighted many times.

    The segments of a disease are, from its highest score down: the cases above its first level,
    those at this level, those between this level and the next, and so on. The rows of all diseases
    are laid end to end.

    Attributes:
        positives: (levels, patients), positive cases at each level, by patient.
        negatives: (2 * levels + diseases, patients), negative cases in each segment, by patient.
        sizes: int64 (diseases), the levels of each disease.
        known: the cases whose disease is on record, in the same rows; the second label set of
            `metrics` leaves them out.
    """

    positives: csr_array
    negatives: csr_array
    sizes: np.ndarray
    known: "Rankings | None" = None

    def metrics(self, *weights: np.ndarray) -> np.ndarray:
        """Return the scores of each disease under each weighting.

        Args:
            weights: (patients, r) each, not negative; the weight of a case is that of its patient.
                They are laid side by side. Weights of float64 give scores of that precision; those
                of the dtype of `negatives` are whole numbers, and give scores with an error below
                1e-6, in less time.

        Returns:
            float64 (label sets, 3, diseases, sum of r): average precision, AUROC, and the weight of
            the positives; of all cases and, if the ranking has known cases, of those that are not
            known. NaN where undefined: positives without weight, and for the AUROC also negatives
            without weight.
        """
        dtype = weights[0].dtype if weights[0].dtype == np.float64 else self._dtype
        positives, negatives = self._weighted(weights)
        found = [_metrics(positives, negatives, self.sizes, dtype)]
        if self.known is not None:
            known_positives, known_negatives = self.known._weighted(weights)
            positives, negatives = positives - known_positives, negatives - known_negatives
            found.append(_metrics(positives, negatives, self.sizes, dtype))
        return np.stack(found)

    def resampled(self, bootstrap: Bootstrap, name: str) -> np.ndarray:
        """Return the metrics of all patients, and of each resample of them.

        Args:
            bootstrap, name: these give the draws of patients.

        Returns:
            float64 (label sets, 3, diseases, 1 + resamples): what `metrics` returns, first of all
            patients.
        """
        patients = self.negatives.shape[1]
        found = [self.metrics(np.ones((patients, 1)))]
        drawn = drawn_weights(patients, bootstrap, name, self.negatives.dtype)
        while weights := list(islice(drawn, _CHUNKS_AT_ONCE)):
            found.append(self.metrics(*weights))
        return np.concatenate(found, axis=-1)

    @property
    def _dtype(self) -> Any:
        """The dtype in which whole numbers are added without an error."""
        return np.float32 if self.negatives.nnz + self.positives.nnz < 2**23 else np.float64

    def _weighted(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the weight of the positives, and of the negatives, by row: (..., sum of r)."""
        found = []
        for cases in (self.positives, self.negatives):
            sums = np.concatenate([cases @ some for some in weights], axis=1)
            # Sums below 2**16 are right as unsigned numbers.
            found.append(sums.view(np.uint16) if sums.dtype == np.int16 else sums)
        return found


def _metrics(
    positives: np.ndarray, negatives: np.ndarray, sizes: np.ndarray, dtype: Any
) -> np.ndarray:
    """Return what `Rankings.metrics` does, of one label set.

    Args:
        positives, negatives: (..., r), weights of the rows of a `Rankings`.
        sizes: of the same.
        dtype: of the sums.
    """
    diseases, (levels, r) = len(sizes), positives.shape
    ends = np.cumsum(sizes)
    above = np.arange(levels) * 2 + np.repeat(np.arange(diseases), sizes)
    reached_before, precisions, misranked = np.zeros((diseases, 2 * r)), *np.zeros((2, diseases, r))
    for start in range(0, levels, _LEVELS_AT_ONCE):
        some = slice(start, start + _LEVELS_AT_ONCE)
        at_level, tied = positives[some].astype(dtype), negatives[above[some] + 1].astype(dtype)
        reached = np.concatenate([at_level, negatives[above[some]] + tied], axis=1)
        groups = [
            (disease, slice(max(end - size - start, 0), min(end - start, len(reached))))
            for disease, (size, end) in enumerate(zip(sizes.tolist(), ends.tolist(), strict=True))
            if start < end and end - size < start + len(reached) and size
        ]
        for disease, rows in groups:
            reached[rows.start] += reached_before[disease]
            reached_before[disease] = _accumulate(reached[rows])
        positives_reached, negatives_reached = reached[:, :r], reached[:, r:]
        lost = 2 * negatives_reached - tied
        # If all cases at and above a level have weight 0, its precision would be 0 / 0.
        negatives_reached += positives_reached + _TINY
        precision = np.divide(positives_reached, negatives_reached, out=positives_reached)
        for disease, rows in groups:
            precisions[disease] += np.einsum("kr,kr->r", at_level[rows], precision[rows])
            misranked[disease] += np.einsum("kr,kr->r", at_level[rows], lost[rows])
    all_positives, all_negatives = np.split(reached_before, 2, axis=1)
    all_negatives += negatives[2 * ends + np.arange(diseases)]
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = all_positives * all_negatives
        auroc = (pairs - 0.5 * misranked) / pairs
        return np.stack([precisions / all_positives, auroc, all_positives])


def _accumulate(rows: np.ndarray) -> np.ndarray:
    """Replace rows (n, r) by their running sums, and return the last; faster than `cumsum`."""
    sums, *others = rows
    for row in others:
        np.add(sums, row, row)
        sums = row
    return np.asarray(sums)


def rank(
    scores: np.ndarray,
    labels: np.ndarray,
    patient: np.ndarray,
    patients: int,
    weight: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> Rankings:
    """Return the cases of one disease in order of their scores.

    Args:
        scores: float (cases), finite.
        labels: bool (cases).
        patient: integers (cases): the patient whose case it is, from 0 to `patients` - 1.
        patients: number of patients.
        weight: float64 (cases); None for weights of 1.
        known: bool (cases), those whose disease is on record, which the second label set of
            `Rankings.metrics` leaves out.
    """
    order = np.argsort(-scores, kind="stable" if weight is not None else None)
    return _rankings(
        _differs(scores[order]),
        labels[order],
        patient[order],
        None if weight is None else weight[order],
        None if known is None else known[order],
        1,
        patients,
        once=False,
    )


def rank_pairs(scores: np.ndarray, labels: np.ndarray, known: np.ndarray | None = None) -> Rankings:
    """Return the pairs of a patient and a disease in order of their scores, as one disease.

    Args:
        scores, labels, known: as `rank_diseases` takes them.
    """
    patients, diseases = scores.shape
    order = np.argsort(-scores.ravel()).astype(np.int32 if scores.size < 2**31 else np.int64)
    return _rankings(
        _differs(scores.ravel()[order]),
        labels.ravel()[order],
        (order // diseases).astype(np.int32, copy=False),
        None,
        None if known is None else known.ravel()[order],
        1,
        patients,
        once=False,
    )


def rank_diseases(
    scores: np.ndarray, labels: np.ndarray, known: np.ndarray | None = None
) -> Iterator[Rankings]:
    """Yield the rankings of patients by each disease, some diseases in each.

    Args:
        scores: float (patients, diseases), finite.
        labels: bool (patients, diseases).
        known: bool (patients, diseases), as `rank` takes it.
    """
    patients = len(scores)
    for some in _blocks(labels.sum(axis=0)):
        order = np.argsort(-scores[:, some].T, axis=1).astype(np.int32)
        number = some.stop - some.start

        def of_block(values: np.ndarray) -> np.ndarray:
            return np.take_along_axis(values[:, some].T, order, axis=1).ravel()  # noqa: B023

        yield _rankings(
            _differs(np.take_along_axis(scores[:, some].T, order, axis=1)),
            of_block(labels),
            order.ravel(),
            None,
            None if known is None else of_block(known),
            number,
            patients,
            once=True,
        )


def _differs(scores: np.ndarray) -> np.ndarray:
    """Return bool (all cases): which sorted scores differ from the one before, in each row."""
    differs = np.ones(scores.shape, dtype=bool)
    differs[..., 1:] = scores[..., 1:] != scores[..., :-1]
    return differs.ravel()


def _rankings(
    differs: np.ndarray,
    labels: np.ndarray,
    patient: np.ndarray,
    weight: np.ndarray | None,
    known: np.ndarray | None,
    diseases: int,
    patients: int,
    once: bool,
) -> Rankings:
    """Return `Rankings` of cases that are sorted by disease, and by score from the highest on.

    Args:
        differs: bool (cases), as `_differs` returns it; each disease has as many cases.
        labels, patient, weight, known: (cases); the last two may be None.
        diseases, patients: their numbers.
        once: whether each patient is in at most one case of a disease.
    """
    small = once and patients < 2**16  # all draws of a resample add up to less
    if not len(labels):
        empty = csr_array((0, patients)), csr_array((diseases, patients)), np.zeros(diseases, int)
        return Rankings(*empty, None if known is None else Rankings(*empty))
    # Some operations are in place, since there may be a hundred million cases.
    index = np.int32 if len(differs) < 2**31 else np.int64
    run: np.ndarray = np.cumsum(differs, dtype=index)
    run -= 1
    last = run[len(run) // diseases - 1 :: len(run) // diseases]
    is_level = np.zeros(last[-1] + 1, dtype=bool)
    is_level[run[labels]] = True
    if weight is None and not small:
        # Levels without positives keep the rows short, so that their sums are small.
        step = max(2**15 // _MOST_DRAWN, 1)
        is_level[np.minimum(run[step - 1 :: step] + 1, last[-1])] = True
    levels = np.cumsum(is_level, dtype=np.int32)
    sizes = np.diff(levels[last], prepend=0)
    level = levels[run[labels]] - 1
    levels *= 2
    levels -= is_level
    levels += np.repeat(np.arange(diseases, dtype=np.int16), np.diff(last, prepend=-1))
    segment = levels[run[~labels]]
    del run, levels
    if weight is None:
        longest = [np.bincount(row).max(initial=0) for row in (level, segment)]
        largest = patients if small else _MOST_DRAWN * int(max(longest))
        limits = ((np.int16, 2**16), (np.float32, 2**24), (np.float64, np.inf))
        dtype = next(kind for kind, limit in limits if largest < limit)
        weight = np.ones(len(labels), dtype)
    of_kinds = [
        (weight[kind], row, patient[kind], None if known is None else known[kind])
        for kind, row in ((labels, level), (~labels, segment))
    ]
    shapes = (int(sizes.sum()), patients), (2 * int(sizes.sum()) + diseases, patients)
    of_known = None
    if known is not None:
        known_positives, known_negatives = (
            _rows(values[chosen], row[chosen], column[chosen], shape)
            for (values, row, column, chosen), shape in zip(of_kinds, shapes, strict=True)
        )
        of_known = Rankings(known_positives, known_negatives, sizes)
    positives, negatives = (
        _rows(values, row, column, shape)
        for (values, row, column, _), shape in zip(of_kinds, shapes, strict=True)
    )
    return Rankings(positives, negatives, sizes, of_known)


def _rows(
    values: np.ndarray, row: np.ndarray, column: np.ndarray, shape: tuple[int, int]
) -> csr_array:
    """Return values as a matrix; their rows are ascending."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    return csr_array((values, column, starts), shape=shape)


def _blocks(positives: np.ndarray) -> list[slice]:
    """Divide diseases into blocks of few positives, whose sums fit in the processor's cache."""
    blocks, start, held = [], 0, 0
    for disease, count in enumerate(positives.tolist()):
        if held and held + count > _POSITIVES_AT_ONCE:
            blocks.append(slice(start, disease))
            start, held = disease, 0
        held += count
    return [*blocks, slice(start, len(positives))] if len(positives) else blocks


def resample_diseases(
    scores: np.ndarray,
    labels: np.ndarray,
    bootstrap: Bootstrap,
    name: str,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Return the metrics of each disease, of all patients and of each resample of them.

    Args:
        scores, labels, known: as `rank_diseases` takes them.
        bootstrap, name: these give the draws of patients.

    Returns:
        float64 (label sets, 3, diseases, 1 + resamples), as `Rankings.resampled`.
    """
    found = [some.resampled(bootstrap, name) for some in rank_diseases(scores, labels, known)]
    if not found:
        return np.empty((1 if known is None else 2, 3, 0, 1 + bootstrap.resamples))
    return np.concatenate(found, axis=2)


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
    check_scored(scores, labels, None)
    if weights is None:
        weights = np.ones((len(scores), 1))
    patients = np.arange(len(scores), dtype=np.int32)
    [(average_precision, auroc, _)] = rank(scores, labels, patients, len(scores)).metrics(weights)
    return average_precision[0], auroc[0]


def placements(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the structural components of the AUROC of one disease (DeLong, Biometrics 1988).

    That of a positive is the share of the negatives with a lower score, that of a negative the
    share of the positives with a higher one; equal scores count half. The mean over the positives
    is the AUROC, and so is that over the negatives.

    >>> scores = np.array([0.9, 0.5, 0.2, 0.1])
    >>> placements(scores, np.array([True, False, True, False])).tolist()
    [1.0, 0.5, 0.5, 1.0]

    Args:
        scores: float (n), finite.
        labels: bool (n).

    Returns:
        float64 (n), NaN without a positive or without a negative.
    """
    values, run = np.unique(scores, return_inverse=True)
    positives = np.bincount(run[labels], minlength=len(values))
    negatives = np.bincount(run[~labels], minlength=len(values))
    with np.errstate(invalid="ignore"):
        of_positives = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
        of_negatives = (np.cumsum(positives[::-1])[::-1] - positives / 2) / positives.sum()
    return np.asarray(np.where(labels, of_positives[run], of_negatives[run]))


def resampled_aurocs(
    scores: np.ndarray, labels: np.ndarray, kept: np.ndarray, bootstrap: Bootstrap, name: str
) -> np.ndarray:
    """Return the AUROC of each disease in each resample, to first order in the draws.

    That is the mean component of the drawn positives plus that of the drawn negatives, minus the
    AUROC of all. What is left out is of the order of 1 / (positives * negatives), so this is for
    many of both; then the sums of all resamples are one product of matrices.

    Args:
        scores: float (patients, diseases), finite.
        labels: bool (patients, diseases).
        kept: bool (patients), False for those who are left out.
        bootstrap, name: these give the draws of patients, of all of them.

    Returns:
        float64 (resamples, diseases), NaN where no positive or no negative is drawn.
    """
    components = np.zeros(scores.shape)
    for column in range(scores.shape[1]):
        components[kept, column] = placements(scores[kept, column], labels[kept, column])
    groups = [(labels & kept[:, np.newaxis]), (~labels & kept[:, np.newaxis])]
    values = [np.where(group, components, 0.0) for group in groups]
    members = [group.astype(np.float64) for group in groups]
    auroc = values[0].sum(axis=0) / np.maximum(members[0].sum(axis=0), 1)
    found = []
    with np.errstate(invalid="ignore"):
        for weights in drawn_weights(len(scores), bootstrap, name):
            means = [
                (weights.T @ value) / (weights.T @ member)
                for value, member in zip(values, members, strict=True)
            ]
            found.append(np.clip(means[0] + means[1] - auroc, 0, 1))
    return np.concatenate(found)
