"""Logistic regressions of an outcome, with a ridge penalty that the tuning patients choose."""

import json
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from behrt import logs
from behrt.learning.artefacts import read_weights, write_model
from behrt.learning.outcomes import OutcomeExamples, weighted_log_loss
from behrt.learning.run import TrainingRun
from behrt.logs import logger

Read = Callable[[OutcomeExamples], csr_array | np.ndarray]
STEPS = 500


def fit_regression(
    read: Read,
    train: OutcomeExamples,
    tuning: OutcomeExamples,
    penalties: Sequence[float],
    settings: object,
    run: TrainingRun,
    **more: np.ndarray,
) -> None:
    """Fit; write the three files with the penalty of the least tuning loss.

    Args:
        read: returns the features of predictions, (n, features).
        train, tuning: predictions.
        penalties: 1 / C of scikit-learn, each above 0.
        settings: for config.json.
        run: its folder.
        **more: further arrays that are stored with the weights.
    """
    given, checked = read(train), read(tuning)
    found = []
    with threadpool_limits(1):
        for penalty in penalties:
            regression = LogisticRegression(C=1 / penalty, max_iter=STEPS)
            regression.fit(given, train.label, sample_weight=train.weight)
            weight, bias = regression.coef_[0], regression.intercept_
            probability = expit(np.asarray(checked @ weight).ravel() + bias[0])
            loss = weighted_log_loss(probability, tuning)
            found.append((loss, penalty, weight, bias))
            told = logs.is_told(tuning.examples.n_subjects)
            shown = f"{loss:.4f}" if told else "hidden (too few patients)"
            logger.info("penalty %g: tuning loss %s", penalty, shown)
    loss, penalty, weight, bias = min(found, key=lambda each: each[:2])
    arrays = {"weight": weight, "bias": bias, "penalty": np.array([penalty]), **more}
    write_model(
        run,
        settings,
        train.examples.n_diseases,
        {name: array.astype(np.float32) for name, array in arrays.items()},
        [json.dumps({"tuning_loss": loss})],
    )


def predict_regression(read: Read, given: OutcomeExamples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n), the probabilities of the event."""
    weights = read_weights(run.folder)
    with threadpool_limits(1):
        logits = np.asarray(read(given) @ weights["weight"]).ravel() + weights["bias"][0]
    return np.asarray(expit(logits), dtype=np.float32)
