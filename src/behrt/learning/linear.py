"""Logistic regression of all diseases at once, on sparse counts or dense vectors.

Everything here is computed in one thread, so that the bytes do not depend on their number.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from scipy.sparse import csr_array, vstack
from scipy.special import expit
from threadpoolctl import threadpool_limits

from behrt.evaluation.metrics import sample_average_precision
from behrt.learning.examples import Examples
from behrt.logs import logger
from behrt.settings.base import Distinct, Positive

CHUNK = 32_768
"""Patients at a time, so that memory does not grow with their number."""

LEAST_DECREASE = 1e-6
"""The optimiser stops if a step lowers the loss by less than this share of it."""

STEPS = 300
LEAST_SPREAD = 1e-6
Features = csr_array | np.ndarray
Penalties = Distinct[Positive]
"""Ridge penalties to choose from: numbers above 0, each given once."""


def _parts(examples: Examples) -> Iterator[tuple[np.ndarray, Examples]]:
    """Yield `CHUNK` patients at a time, with their rows."""
    for first in range(0, max(len(examples), 1), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(examples)))
        yield rows, examples.select(rows)


def _stacked(parts: list[Features]) -> Features:
    dense = [part for part in parts if isinstance(part, np.ndarray)]
    if dense:
        return np.concatenate(dense)
    return csr_array(vstack([csr_array(part) for part in parts]))


def _logits(features: Features, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    logits: np.ndarray = np.asarray(features @ weight) + bias
    return logits


def _labels(train: Examples, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows, counted from the first, and diseases of a part's labels."""
    offsets = train.label_offsets[first : first + CHUNK + 1]
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return rows, train.labels[offsets[0] : offsets[-1]].astype(np.int64)


def logistic(
    features: Features, train: Examples, penalty: float, start: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (features, n_diseases) and biases of a logistic regression a disease.

    For each disease it minimises the summed cross-entropy of the labels plus penalty / 2 times
    the squared weights, not the bias (scikit-learn's C is 1 / penalty), by L-BFGS on all diseases
    at once, each number scaled by its curvature where it starts.

    Args:
        features: float32 (n, features).
        train: the labels.
        penalty: above 0.
        start: float64, what an earlier call for another penalty ended with (weights over biases).
    """
    width, n_diseases = features.shape[1], train.n_diseases
    prior = train.prior_log_odds().astype(np.float64)
    variance = expit(prior) * expit(-prior)
    squares = np.asarray((features * features).sum(axis=0)).ravel()
    scale = np.sqrt(
        np.concatenate([np.outer(squares, variance) + penalty, len(train) * variance[None]])
    )
    firsts = range(0, len(train), CHUNK)
    parts = [features[first : first + CHUNK] for first in firsts]
    turned = [csr_array(part.T) if isinstance(part, csr_array) else part.T for part in parts]
    positive = [_labels(train, first) for first in firsts]

    def loss_and_gradient(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        values = scaled.reshape(width + 1, n_diseases) / scale
        weight, bias = values[:-1], values[-1] + prior
        loss = penalty / 2 * float(np.vdot(weight, weight))
        gradient = np.concatenate([penalty * weight, np.zeros((1, n_diseases))])
        for part, transposed, labels in zip(parts, turned, positive, strict=True):
            logits = _logits(part, weight.astype(np.float32), bias.astype(np.float32))
            values = torch.from_numpy(logits)  # torch's functions are several times as fast
            loss += float(F.softplus(values).sum(dtype=torch.float64))
            loss -= float(logits[labels].sum(dtype=np.float64))
            residual = torch.sigmoid(values).numpy()
            residual[labels] -= 1
            gradient[:-1] += transposed @ residual
            gradient[-1] += residual.sum(axis=0, dtype=np.float64)
        return loss, (gradient / scale).ravel()

    first = np.zeros_like(scale)
    if start is not None:
        first = (start - np.concatenate([np.zeros((width, n_diseases)), prior[None]])) * scale
    found = minimize(
        loss_and_gradient,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": STEPS, "ftol": LEAST_DECREASE, "gtol": 0.0, "maxcor": 10},
    )
    values = found.x.reshape(width + 1, n_diseases) / scale
    return values[:-1], values[-1] + prior


def fit_head(
    features: Callable[[Examples], Features],
    train: Examples,
    tuning: Examples,
    penalties: Sequence[float],
) -> dict[str, np.ndarray]:
    """Return the weights of logistic regressions with the penalty that suits the tuning patients.

    The penalty, one for all diseases, is chosen by the sample-averaged average precision of the
    tuning examples. Dense features are brought to mean 0 and standard deviation 1 for it. They are
    also turned to their principal axes, which leaves a ridge penalty as it is, and spares the
    optimiser most of its steps.

    Args:
        features: of examples, float32 (n, features), sparse or dense.
        train, tuning: labelled examples.
        penalties: each above 0.

    Returns:
        "head.weight" float32 (features, n_diseases), "head.bias" float32 (n_diseases) and
        "head.penalty" float32 (1), for features as they were given.
    """
    best, chosen, start = -1.0, {}, None
    with threadpool_limits(1):
        parts = [features(part) for _, part in _parts(train)]
        given: Features = parts[0] if len(parts) == 1 else _stacked(parts)
        dense = isinstance(given, np.ndarray)
        if isinstance(given, np.ndarray):
            mean = given.mean(axis=0, dtype=np.float64)
            spread = np.maximum(given.std(axis=0, dtype=np.float64), LEAST_SPREAD)
            standard = ((given - mean) / spread).astype(np.float32)
            _, axes = np.linalg.eigh(standard.T @ standard)
            given = standard @ axes
        for penalty in sorted(penalties, reverse=True):  # from each to the next is a short way
            weight, bias = logistic(given, train, penalty, start)
            start = np.concatenate([weight, bias[None]])
            if dense:
                weight = (axes @ weight) / spread[:, None]
                bias = bias - mean @ weight
            head = head_of(weight, bias, penalty)
            average_precision = tuning_score(head, features, tuning)
            if average_precision > best:
                best, chosen = average_precision, head
    return chosen


def head_of(weight: np.ndarray, bias: np.ndarray, penalty: float) -> dict[str, np.ndarray]:
    """Return regressions as they are stored, all float32: see `fit_head`."""
    return {
        "head.weight": weight.astype(np.float32),
        "head.bias": bias.astype(np.float32),
        "head.penalty": np.array([penalty], dtype=np.float32),
    }


def tuning_score(
    head: dict[str, np.ndarray], features: Callable[[Examples], Features], tuning: Examples
) -> float:
    """Return the sample-averaged average precision of the tuning examples, and log it."""
    labels = tuning.label_matrix(np.arange(len(tuning)))
    scores = head_scores(head, features, tuning)
    average_precision = float(np.nanmean(sample_average_precision(scores, labels)))
    logger.info("penalty %g: tuning_aps %.4f", head["head.penalty"][0], average_precision)
    return average_precision


def head_scores(
    weights: dict[str, np.ndarray], features: Callable[[Examples], Features], examples: Examples
) -> np.ndarray:
    """Return float32 (n, n_diseases): the probabilities that `fit_head`'s weights give."""
    weight, bias = weights["head.weight"], weights["head.bias"]
    scores = np.empty((len(examples), len(bias)), dtype=np.float32)
    with threadpool_limits(1):
        for rows, part in _parts(examples):
            scores[rows] = expit(_logits(features(part), weight, bias))
    return scores
