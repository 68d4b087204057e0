"""The trivial model: the score of a disease is its share of the training labels, for all patients.

What another model scores above this row comes from the patients' own histories.
"""

import numpy as np

from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.run import TrainingRun
from behrt.settings.base import Section


class Settings(Section):
    """This model has no settings."""


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Return the prevalence of the training labels."""
    return {"prevalence": train.label_prevalence().astype(np.float32)}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return float32 (n, n_diseases), the same row for all patients."""
    return np.tile(weights["prevalence"], (len(examples), 1))


_kind = Estimated("prevalence", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
