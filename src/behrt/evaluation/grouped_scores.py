"""Scores of predictors that give patients few distinct scores, as they may be published.

Such a predictor divides the patients into groups: the model `history`, into those with the disease
in their history and those without. Its APS and AUROC are then functions of how many patients of
each group have the outcome and how many do not, and two equations in two whole numbers often have
one solution. So both scores are computed from the counts as a table shows them, have few decimals,
and are hidden where a small count is the only solution that is left.
"""

from dataclasses import dataclass

import numpy as np

from behrt.disclosure import Rules, is_small

MOST_GROUPS = 10
"""A predictor with more distinct scores than this is not one of groups."""
DECIMALS = 2
APART, GROUPED, EXPOSED = range(3)
"""A predictor with many scores; with few; with few, one of which a small number of patients has."""
_ALMOST = 1e-9
_FIRST = 100


def group_counts(labels: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """Return how many patients of each group have the outcome, and how many do not.

    Args:
        labels: bool (patients).
        scores: float (patients).

    Returns:
        int64 (groups, 2), the group with the highest score first; None if there are more than
        `MOST_GROUPS` distinct scores.

    >>> group_counts(np.array([True, False, False]), np.array([0.9, 0.9, 0.1]))
    array([[1, 1],
           [0, 1]])
    """
    if len(np.unique(scores[:_FIRST])) > MOST_GROUPS:  # saves most predictors the sorting
        return None
    values, group = np.unique(-scores, return_inverse=True)
    if len(values) > MOST_GROUPS:
        return None
    return np.stack(
        [np.bincount(group[chosen], minlength=len(values)) for chosen in (labels, ~labels)], axis=1
    )


def as_shown(groups: np.ndarray, rules: Rules) -> np.ndarray:
    """Return the counts of groups, int64 (groups, 2), that fit the totals as a table shows them."""
    if rules.rounding == 1:
        return groups
    positives = int(rules.round(groups[:, 0].sum()))
    negatives = int(rules.round(groups.sum())) - positives
    reached = np.minimum(rules.round(np.cumsum(groups, axis=0)), [positives, negatives])
    reached[-1] = positives, negatives
    return np.diff(reached, axis=0, prepend=0)


def scores_of_groups(groups: np.ndarray) -> tuple[float, float]:
    """Return the average precision and the AUROC, NaN where undefined.

    Both follow `behrt.evaluation.metrics`, ties included.

    Args:
        groups: integers (groups, 2) as `group_counts` returns them.
    """
    positives, negatives = groups.T.astype(np.float64)
    above, reached = np.cumsum(positives) - positives, np.cumsum(groups, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(reached[:, 0] / reached.sum(axis=1))
        average_precision = (positives * precision).sum() / positives.sum()
        ranked = (negatives * (above + positives / 2)).sum()
        auroc = ranked / (positives.sum() * negatives.sum())
    return float(average_precision), float(auroc)


@dataclass(frozen=True)
class Solutions:
    """Divisions of patients into two groups that fit printed scores.

    Attributes:
        positives, negatives: how many patients have the outcome, and how many do not.
        above: int64 (n), possible numbers with the outcome in the group with the higher score.
        low, high: int64 (n), for each of these the fewest and the most without the outcome there.
    """

    positives: int
    negatives: int
    above: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def ranges(self) -> dict[str, tuple[int, int]]:
        """Return the lowest and the highest possible number of patients in each part."""
        parts = {
            "higher, outcome": (self.above, self.above, self.positives),
            "higher, no outcome": (self.low, self.high, self.negatives),
            "higher": (
                self.above + self.low,
                self.above + self.high,
                self.positives + self.negatives,
            ),
        }
        found = {}
        for name, (lowest, highest, whole) in parts.items():
            low, high = int(lowest.min()), int(highest.max())
            found[name] = low, high
            found[name.replace("higher", "lower")] = whole - high, whole - low
        return found

    def small(self, threshold: int) -> list[str]:
        """Return the parts whose number of patients is certain to be from 1 to threshold - 1."""
        if not len(self.above):
            return []
        return [part for part, (low, high) in self.ranges().items() if 0 < low <= high < threshold]


def solve(
    positives: int,
    negatives: int,
    average_precision: float | None,
    auroc: float | None,
    decimals: int,
    unit: int = 1,
    slack: float = _ALMOST,
) -> Solutions:
    """Return which divisions of patients into two groups have the scores that are printed.

    With a of P patients with the outcome and b of N without it in the group with the higher
    score, the AUROC is 1/2 + (a/P - b/N) / 2, and the average precision is
    (a * a/(a + b) + (P - a) * P/(P + N)) / P.

    Args:
        positives, negatives: P and N, not 0, multiples of `unit`.
        average_precision, auroc: as printed; None if one is not.
        decimals: how many decimals they have.
        unit: counts are multiples of this.
        slack: how much further from its printed value than the rounding allows a score may be;
            below 0, how much nearer it must be.
    """
    error = 0.5 * 10.0**-decimals + slack
    above = np.arange(0, positives + 1, unit)
    low, high = np.zeros(len(above)), np.full(len(above), float(negatives))
    if auroc is not None:
        middle = above / positives - (2 * auroc - 1)
        low = np.maximum(low, negatives * (middle - 2 * error))
        high = np.minimum(high, negatives * (middle + 2 * error))
    if average_precision is not None:
        rest = (positives - above) * positives / (positives + negatives)
        least, most = ((average_precision + e) * positives - rest for e in (-error, error))
        with np.errstate(invalid="ignore", divide="ignore"):
            fewest = np.where(most > 0, above**2 / most - above, np.inf)
            largest = np.where(least > 0, above**2 / least - above, np.inf)
        # Where no patient of the group has the outcome, the group's other patients do not count.
        fits = (least <= 0) & (most >= 0)
        low = np.maximum(low, np.where(above > 0, fewest, np.where(fits, 0.0, np.inf)))
        high = np.minimum(high, np.where(above > 0, largest, np.inf))
    rounded = max(slack, 0.0)
    low = unit * np.ceil(low / unit - rounded)
    high = unit * np.floor(high / unit + rounded)
    possible = (low <= high) & np.isfinite(low)
    return Solutions(
        positives,
        negatives,
        above[possible],
        low[possible].astype(np.int64),
        high[possible].astype(np.int64),
    )


def kind_of(groups: np.ndarray | None, threshold: int) -> int:
    """Return `APART`, `GROUPED` or `EXPOSED`: what a bootstrap interval of a score reveals.

    The spread of resampled scores depends on the groups' counts too. So an interval of an `EXPOSED`
    predictor's score, or of its difference from another `GROUPED` one, is not published.

    Args:
        groups: as `group_counts` returns them.
        threshold: the smallest count to show.
    """
    if groups is None:
        return APART
    return EXPOSED if len(groups) > 1 and is_small(groups, threshold).any() else GROUPED


def publishable(groups: np.ndarray, rules: Rules, both: bool = True) -> tuple[float, float]:
    """Return the average precision and the AUROC as a table may print them, else NaN.

    They have `DECIMALS` decimals and are those of the counts as shown. Two groups' scores are
    hidden if a small number of patients is the only solution; scores of more groups, if any number
    of patients is small. Of one group, they are the prevalence and one half.

    Args:
        groups: as `group_counts` returns them.
        rules: what is small, and how counts are rounded.
        both: whether the average precision is printed too, and not only the AUROC.
    """
    shown = as_shown(groups, rules)
    found = scores_of_groups(shown)
    if len(groups) == 1 or not np.isfinite(found).all():
        return found
    average_precision, auroc = (round(score, DECIMALS) for score in found)
    if len(groups) > 2:
        small = bool(is_small(groups, rules.threshold).any())
    else:
        small = _follows(shown, average_precision if both else None, auroc, rules)
    return (np.nan, np.nan) if small else (average_precision, auroc)


def _follows(
    groups: np.ndarray, average_precision: float | None, auroc: float, rules: Rules
) -> bool:
    """Return whether a small number of patients is the only solution of two groups' scores."""
    positives, negatives = groups.sum(axis=0).tolist()
    # Of scores between two printed values it is not certain which is printed: only the true
    # division and those with other scores count as solutions.
    others = solve(
        positives, negatives, average_precision, auroc, DECIMALS, rules.rounding, -_ALMOST
    )
    above, below = groups[0]
    solutions = Solutions(
        positives,
        negatives,
        np.append(others.above, above),
        np.append(others.low, below),
        np.append(others.high, below),
    )
    return bool(solutions.small(rules.threshold))
