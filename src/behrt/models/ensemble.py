"""A weighted mean of the predictions of other models of the run.

The probability of a disease is the weighted mean of those that the members predict (a linear
opinion pool). The weights, from 0 on and with the sum 1, are those with the least cross-entropy on
the patients who choose the epochs of the members (stacking, Wolpert 1992; Breiman 1996), one set
for each task. No member learns from these patients.

An ensemble reads the files of its members' predictions, so the rule `ensemble` makes its own, in
place of `finetune`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import Bounds, LinearConstraint, minimize
from threadpoolctl import threadpool_limits

from behrt.errors import InputError
from behrt.learning.artefacts import write_model
from behrt.learning.estimated import tuning_line
from behrt.learning.examples import Examples
from behrt.learning.run import TrainingRun
from behrt.settings.ensemble import Settings

__all__ = ["Settings", "fit", "least_cross_entropy", "pooled", "read_members"]

WEIGHTS = "weights"
LEAST_PROBABILITY = 1e-6
"""The probability of what happened counts at least as this, so that no single error decides."""


def read_members(members: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return the patients, int64 (n), and the scores, float32 (members, n, n_diseases).

    Raises:
        InputError: the members were not predicted for the same patients or diseases.
    """
    frames = [pl.read_parquet(path).sort("subject_id") for path in members]
    for path, frame in zip(members, frames, strict=True):
        same = frame["subject_id"].equals(frames[0]["subject_id"])
        if not same or frame.schema != frames[0].schema:
            raise InputError(
                path,
                f"its patients or diseases are not those of {members[0].name}",
                "Delete both, and run again",
            )
    scores = np.stack([frame["scores"].to_numpy() for frame in frames])
    return frames[0]["subject_id"].to_numpy(), scores


def pooled(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return float32 (n, n_diseases): the weighted mean of scores (members, n, n_diseases)."""
    mean = np.tensordot(weights, scores.astype(np.float64), axes=1)
    probabilities: np.ndarray = np.clip(mean, 0, 1).astype(np.float32)
    return probabilities


def least_cross_entropy(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights of the members, float64 (members), from 0 on and with the sum 1.

    Args:
        scores: float (members, n, n_diseases), probabilities.
        labels: bool (n, n_diseases).
    """
    happened = np.where(labels, scores, 1 - scores).reshape(len(scores), -1).astype(np.float64)
    happened = np.maximum(happened, LEAST_PROBABILITY)

    def loss_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = weights @ happened
        return -float(np.log(mixed).mean()), -(happened / mixed).mean(axis=1)

    with threadpool_limits(1):  # the last bits of a product depend on the number of threads
        found = minimize(
            loss_and_gradient,
            np.full(len(scores), 1 / len(scores)),
            jac=True,
            method="SLSQP",
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(np.ones(len(scores)), 1, 1),
            options={"ftol": 1e-12},
        )
    weights: np.ndarray = np.maximum(found.x, 0) / np.maximum(found.x, 0).sum()
    return weights


def fit(
    scores: np.ndarray,
    subject_id: np.ndarray,
    choosing: Examples,
    settings: Settings,
    run: TrainingRun,
) -> np.ndarray:
    """Choose the weights; write config.json, model.safetensors and metrics.jsonl; return them.

    Args:
        scores: float32 (members, n, n_diseases), in the order of the settings.
        subject_id: int64 (n), ascending, the patients of the scores.
        choosing: the examples that choose the weights.
        settings: the members.
        run: receives the files.

    Raises:
        InputError: a patient who chooses the weights has no scores, or there is none.
    """
    rows = np.searchsorted(subject_id, choosing.subject_id).clip(max=len(subject_id) - 1)
    if not len(choosing) or (subject_id[rows] != choosing.subject_id).any():
        raise InputError(
            "ensemble",
            "the members' predictions are not those of the patients who choose the weights",
            "Delete the predictions of the members, and run again",
        )
    weights = least_cross_entropy(scores[:, rows], choosing.label_matrix(np.arange(len(choosing))))
    line = tuning_line(pooled(scores[:, rows], weights), choosing)
    write_model(run, settings, choosing.n_diseases, {WEIGHTS: weights}, [line])
    return weights
