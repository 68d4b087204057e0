"""Numbers of treated patients that fit a printed net benefit.

A net benefit is an equation in the patients treated rightly and those treated in vain
(`behrt.evaluation.decision`). Patients treated at one threshold are some of those treated at a
lower one. For a single disease, recalibrated risks are in the order of the risks as trained, so
that the same holds across the two. A difference is then a number of patients, too, and must not be
small.
"""

import numpy as np

_ALMOST = 1e-9
_COMPARED = 400
"""With more pairs of solutions than this, nothing is certain."""


def treated(
    value: float, odds: float, error: float, patients: int, pairs: tuple[int, int], unit: int
) -> np.ndarray:
    """Return the numbers treated rightly and in vain that fit a net benefit, int64 (n, 2).

    Of many that fit, those treated in vain are the fewest and the most with each number treated
    rightly.
    """
    positives, negatives = pairs
    rightly = np.arange(0, positives + 1, unit)
    middle, room = (rightly - value * patients) / odds, (error + _ALMOST) * patients / odds
    low = unit * np.ceil(np.maximum(middle - room, 0) / unit - _ALMOST)
    high = unit * np.floor(np.minimum(middle + room, negatives) / unit + _ALMOST)
    fits = low <= high
    ends = [np.stack([rightly[fits], end[fits].astype(np.int64)], axis=1) for end in (low, high)]
    return np.unique(np.concatenate(ends), axis=0)


def differ_little(one: np.ndarray, other: np.ndarray, threshold: int) -> bool:
    """Return whether patients chosen twice, some of them both times, differ by a small number.

    Args:
        one, other: int64 (n, 2), possible numbers with the outcome and without it, at each choice.
        threshold: the smallest number that is not small.
    """
    if not len(one) or not len(other) or len(one) * len(other) > _COMPARED:
        return False
    difference = (one[:, np.newaxis] - other).reshape(-1, 2)
    nested = (difference >= 0).all(axis=1) | (difference <= 0).all(axis=1)
    apart = np.abs(difference[nested])
    return bool(len(apart)) and bool(((apart > 0) & (apart < threshold)).all(axis=0).any())
