"""Recalibration on tuning patients: a slope for all diseases, an intercept for each.

With l the log-odds of a disease d by a model, the recalibrated log-odds are
a + u_d + b l: logistic recalibration (Cox, Biometrika 1958; Platt 1999), pooled over diseases
except for u_d. The u_d are normal with mean 0; a, b and all u_d are the joint mode. The variance is
DerSimonian and Laird's (Controlled Clinical Trials 1986), from each disease's own estimate, one
step from the mode. A rare disease is shrunk towards the common intercept.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import logit

from behrt.errors import InputError
from behrt.files import write_json

EDGE = 1e-7
"""Least distance of scores from 0 and 1, whose log-odds are infinite."""
_MOST_STEPS = 50
_CONVERGED = 1e-9
_PATIENTS_AT_ONCE = 256


def log_odds(scores: np.ndarray) -> np.ndarray:
    """Return float64 log-odds of scores, which are kept within `EDGE` of 0 and 1."""
    return clipped_log_odds(np.clip(scores.astype(np.float64), EDGE, 1 - EDGE))


def clipped_log_odds(risk: np.ndarray) -> np.ndarray:
    """Return the log-odds of float64 risks within `EDGE` of 0 and 1: a fast `logit`."""
    return np.asarray(np.log(risk / (1 - risk)))


def risk_of(log_odds: np.ndarray) -> np.ndarray:
    """Return the risks of float64 log-odds: a fast `expit`."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-log_odds)))


@dataclass(frozen=True)
class Recalibration:
    """A map from a model's probabilities to recalibrated ones.

    Attributes:
        slope: b, of the log-odds; 1 if the model's are well calibrated.
        intercepts: a + u_d, one per disease, in the order of the vocabulary.
        spread: the standard deviation of the u_d.
    """

    slope: float
    intercepts: tuple[float, ...]
    spread: float

    def risks(self, probability: np.ndarray) -> np.ndarray:
        """Return float64 (n, diseases): the recalibrated probabilities."""
        return risk_of(np.array(self.intercepts) + self.slope * log_odds(probability))


def fit_recalibration(probability: np.ndarray, labels: np.ndarray) -> Recalibration:
    """Return the recalibration fitted on some patients.

    Args:
        probability: float (patients, diseases), a model's.
        labels: bool (patients, diseases).

    Raises:
        InputError: no patient has a disease, or all have every one.
    """
    if not labels.any() or labels.all():
        raise InputError(
            "tuning patients",
            "all their labels are equal, so risks cannot be recalibrated",
            "Use more patients",
        )
    scores = log_odds(probability)
    centre = scores.mean()
    centred = scores - centre
    line = np.array([logit(labels.mean()), 1.0])
    offsets = np.zeros(scores.shape[1])
    variance = 0.0
    for _ in range(_MOST_STEPS):
        sums = _sums(centred, labels, line, offsets)
        surplus, information = sums[:2]
        variance = _variance_between(offsets + surplus / information, information)
        step, moved = _newton(sums, offsets, variance)
        length = max(np.abs(step).max(), np.abs(moved).max())
        shorter = min(1.0, 1.0 / length) if length else 1.0
        line, offsets = line + shorter * step, offsets + shorter * moved
        if length < _CONVERGED:
            break
    intercepts = line[0] - line[1] * centre + offsets
    return Recalibration(float(line[1]), tuple(intercepts.tolist()), float(np.sqrt(variance)))


def _sums(
    scores: np.ndarray, labels: np.ndarray, line: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return sums over patients, float64 (5, diseases).

    They are of the residuals and the weights, of the weights times the scores, of the residuals
    times the scores, and of the weights times the squared scores.

    Args:
        scores, labels: float64 and bool (patients, diseases).
        line: intercept and slope.
        offsets: float64 (diseases).
    """
    sums = np.zeros((5, scores.shape[1]))
    for start in range(0, len(scores), _PATIENTS_AT_ONCE):  # fits in the processor's cache
        some = slice(start, start + _PATIENTS_AT_ONCE)
        expected = risk_of(line[0] + line[1] * scores[some] + offsets)
        residual, weight = labels[some] - expected, expected * (1 - expected)
        weighted = weight * scores[some]
        sums[0] += residual.sum(axis=0)
        sums[1] += weight.sum(axis=0)
        sums[2] += weighted.sum(axis=0)
        sums[3] += np.einsum("pd,pd->d", residual, scores[some])
        sums[4] += np.einsum("pd,pd->d", weighted, scores[some])
    return sums


def _newton(
    sums: np.ndarray, offsets: np.ndarray, variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return Newton's step for intercept and slope (2), and for the offsets (diseases).

    The offsets depend on each other only through intercept and slope, so they are eliminated.

    Args:
        sums: as `_sums` returns them, where the step starts.
        offsets: float64 (diseases), where the step starts.
        variance: of their normal prior; with 0 they stay 0.
    """
    surplus, information, mixed, along, squared = sums
    gradient = np.array([surplus.sum(), along.sum()])
    hessian = np.array([[information.sum(), mixed.sum()], [mixed.sum(), squared.sum()]])
    if variance == 0:
        # If all scores are equal the slope is not determined: the smallest step is taken.
        return np.linalg.lstsq(hessian, gradient)[0], -offsets
    pull = surplus - offsets / variance
    curvature = information + 1 / variance
    across = np.stack([information, mixed])
    reduced = hessian - (across / curvature) @ across.T
    step = np.linalg.lstsq(reduced, gradient - across @ (pull / curvature))[0]
    return step, (pull - step @ across) / curvature


def _variance_between(estimates: np.ndarray, information: np.ndarray) -> float:
    """Return DerSimonian and Laird's variance between estimates of the given information."""
    mean = np.average(estimates, weights=information)
    heterogeneity = (information * (estimates - mean) ** 2).sum()
    scale = information.sum() - (information**2).sum() / information.sum()
    if scale <= 0:
        return 0.0
    return float(max(0.0, (heterogeneity - (len(estimates) - 1)) / scale))


def write_recalibrations(recalibrations: Mapping[str, Recalibration], path: Path) -> None:
    """Write the recalibrations of some models, by name, as JSON."""
    write_json({name: asdict(value) for name, value in recalibrations.items()}, path)
