"""Logistic recalibration: risks that mean what they say, from scores that rank."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

EDGE = 1e-7
"""Scores are kept this far from 0 and 1, whose log-odds are infinite."""


def log_odds(scores: np.ndarray) -> np.ndarray:
    """Return float64 log-odds of scores, which are kept within `EDGE` of 0 and 1."""
    odds: np.ndarray = logit(np.clip(scores.astype(np.float64), EDGE, 1 - EDGE))
    return odds


@dataclass(frozen=True)
class Recalibration:
    """A straight line on the log-odds (Cox 1958), the same for all diseases of a model."""

    intercept: float
    slope: float

    def risks(self, scores: np.ndarray) -> np.ndarray:
        """Return float64 risks for scores in [0, 1] of any shape; the order stays."""
        risks: np.ndarray = expit(self.intercept + self.slope * log_odds(scores))
        return risks


def fit_recalibration(scores: np.ndarray, labels: np.ndarray) -> Recalibration:
    """Return the line that maximises the likelihood of what was observed.

    Fit it on patients that neither training nor testing uses.

    Args:
        scores: float (patients, diseases), in [0, 1].
        labels: bool, of the same shape: which diseases followed.

    Raises:
        ValueError: the shapes differ, or nothing or everything was observed.
    """
    if scores.shape != labels.shape:
        raise ValueError("scores and labels must have the same shape")
    if labels.all() or not labels.any():
        raise ValueError("some, and not all, diseases must have been observed")
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(
        log_odds(scores).reshape(-1, 1), labels.reshape(-1)
    )
    return Recalibration(float(fitted.intercept_[0]), float(fitted.coef_[0, 0]))
