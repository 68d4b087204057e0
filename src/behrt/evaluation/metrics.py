"""Average precision and AUROC of a patient over diseases.

Both follow scikit-learn's definitions, including ties: every positive counts with the precision at
its own score, and a negative of the same score counts half for the AUROC. Scores are not sorted:
each positive is compared with the others, O(positives x classes).

Those of a disease over patients are in `behrt.evaluation.rankings`.
"""

import numpy as np

_COMPARED_AT_ONCE = 2_000_000


def check_scored(scores: np.ndarray, labels: np.ndarray, mask: np.ndarray | None) -> None:
    """Raise the errors of `sample_metrics`."""
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
    check_scored(scores, labels, mask)
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
