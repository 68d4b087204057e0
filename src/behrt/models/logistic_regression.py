"""Logistic regression, one per disease, on counts of diseases with age and sex.

The simplest model that uses other diseases. Its features are the logarithm of 1 + the number of
input visits with each disease, sex, and 5-year bands of the age at the last input visit. It does
not use the order of visits or the time between them. All diseases have the same ridge penalty.
"""

import numpy as np
from scipy.sparse import csr_array, hstack

from behrt.learning.device import begin
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import counts, demographics
from behrt.learning.linear import Penalties, fit_head, head_scores
from behrt.learning.run import TrainingRun
from behrt.settings.base import Section


class Settings(Section):
    """The penalties of the weights."""

    penalties: Penalties = (3.0, 10.0, 30.0)
    """Ridge penalties (1 / C of scikit-learn); the one with the best tuning score is used."""


def features(examples: Examples) -> csr_array:
    """Return float32 (n, n_diseases + 25): log(1 + counts), then demographics."""
    return csr_array(hstack([counts(examples).log1p(), demographics(examples)]))


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Fit the regressions."""
    return fit_head(features, train, tuning, settings.penalties)


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    return head_scores(weights, features, examples)


_kind = Estimated("logistic_regression", Settings, estimate, score, begin)
fit, predict = _kind.fit, _kind.predict
