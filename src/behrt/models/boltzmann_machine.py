"""Patient vectors from a restricted Boltzmann machine with a linear head (Tran et al. 2015).

Source: "Learning vector representation of medical objects via EMR-driven nonnegative restricted
Boltzmann machines (eNRBM)", Journal of Biomedical Informatics 54. A patient is the set of the
diseases in the history; the vector is the probability of each hidden unit given it.

Deviations: the machine is scikit-learn's (BernoulliRBM, stochastic maximum likelihood), without
the original's constraints (weights may be negative, and disease groups do not smooth them), and
counts are cut to "ever"; sex and age at the last input visit are joined to the vector.
"""

from functools import partial

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from behrt.learning.artefacts import read_weights
from behrt.learning.device import begin
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import counts, with_demographics
from behrt.learning.linear import Penalties, fit_head, head_scores
from behrt.learning.run import TrainingRun
from behrt.settings.base import Count, Positive, Section


class Settings(Section):
    """The restricted Boltzmann machine, and the penalties of the linear head."""

    hidden: Count = 200
    """Hidden units, which are the numbers in a patient's vector."""

    epochs: Count = 10
    """Passes over the training patients."""

    learning_rate: Positive = 0.05
    """Learning rate of the machine."""

    batch_size: Count = 64
    """Patients per step."""

    penalties: Penalties = (1.0, 10.0, 100.0)
    """Ridge penalties of the linear head; the one with the best tuning score is used."""


def ever(examples: Examples) -> csr_array:
    """Return float32 (n, n_words): 1 where the input history has the word."""
    return csr_array(counts(examples) > 0).astype(np.float32)


def patient_vectors(weight: np.ndarray, bias: np.ndarray, examples: Examples) -> np.ndarray:
    """Return float32 (n, hidden): the probability of each hidden unit."""
    return np.asarray(expit(ever(examples) @ weight.T + bias), dtype=np.float32)


def _features(weights: Weights, examples: Examples) -> np.ndarray:
    weight, bias = weights["machine.weight"], weights["machine.bias"]
    return with_demographics(patient_vectors(weight, bias, examples), examples)


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Train the machine, and fit the head."""
    machine = BernoulliRBM(
        n_components=settings.hidden,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        n_iter=settings.epochs,
        random_state=run.compute.seed % 2**32,
    )
    with threadpool_limits(1):
        machine.fit(ever(train))
    weights = {
        "machine.weight": machine.components_.astype(np.float32),
        "machine.bias": machine.intercept_hidden_.astype(np.float32),
    }
    head = fit_head(partial(_features, weights), train, tuning, settings.penalties)
    return {**weights, **head}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    return head_scores(weights, partial(_features, weights), examples)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, size), the vectors of the patients."""
    weights = read_weights(run.folder)
    return patient_vectors(weights["machine.weight"], weights["machine.bias"], examples)


_kind = Estimated("boltzmann_machine", Settings, estimate, score, begin)
fit, predict = _kind.fit, _kind.predict
