"""Weights for follow-ups that end too early: inverse probability of censoring.

A prediction whose follow-up ends within the window, without the event, has no label. The others
stand for it: each is weighted by 1 / G(t), where t is the days until its event, death or the end of
the window, and G(t) the probability of being followed at least t days (Robins and Rotnitzky 1992;
for risk prediction Gerds and Schumacher, Biometrical Journal 2006). G is the Kaplan-Meier estimate
of the end of follow-up, from all predictions of a split. It assumes that the end of follow-up does
not depend on the risk.
"""

import numpy as np


def followed_for(days: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """Return the probability of being followed for at least the days of each prediction.

    >>> followed_for(np.array([10, 20, 30, 30]), np.array([True, False, True, True])).round(3)
    array([1.   , 1.   , 0.667, 0.667])

    Args:
        days: int64 (n): days until event, death or the end of the window, or until the end of
            follow-up if that is earlier.
        complete: bool (n): whether it is not the end of follow-up. On equal days, what is complete
            comes before an end of follow-up.

    Returns:
        float64 (n): the estimate just before each prediction's days.
    """
    order = np.lexsort((~complete, days))
    at_risk = np.arange(len(days), 0, -1)
    lost = ~complete[order]
    survival = np.cumprod(1 - lost / at_risk)
    # The value before the first prediction of the same day that is lost.
    sorted_days = days[order]
    first = np.searchsorted(sorted_days, days, side="left")
    probability: np.ndarray = np.concatenate([[1.0], survival])[first]
    return probability


def inverse_probability(days: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """Return float64 (n): the weight of each prediction, 0 where it is not complete."""
    probability = followed_for(days, complete)
    weights = np.zeros(len(days))
    weights[complete] = 1 / probability[complete]
    return weights
