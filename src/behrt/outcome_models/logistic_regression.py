"""Logistic regression of an outcome, on the features of `behrt.models.logistic_regression`.

The logarithm of 1 + the months since the last visit is one more feature. All predictions and all
diseases are read: the settings `controls` and `diseases` are not used.
"""

from functools import partial

import numpy as np
from scipy.sparse import csr_array, hstack

from behrt.learning.artefacts import read_config
from behrt.learning.outcomes import OutcomeExamples
from behrt.learning.run import TrainingRun, read_settings
from behrt.models.logistic_regression import Settings, features
from behrt.outcome_models._regression import fit_regression, predict_regression

__all__ = ["Settings", "fit", "predict", "read"]


def read(times: bool, given: OutcomeExamples) -> csr_array:
    """Return float32 (n, features)."""
    gap = np.log1p(given.months_since_visit)[:, None].astype(np.float32)
    return csr_array(hstack([features(given.examples, times), csr_array(gap)]))


def fit(
    train: OutcomeExamples,
    tuning: OutcomeExamples,
    settings: Settings,
    optimisation: None,
    pretrained: None,
    diseases: list[int],
    run: TrainingRun,
) -> None:
    """Fit; write the three files into `run.folder`."""
    of_times = partial(read, settings.times)
    fit_regression(of_times, train, tuning, settings.penalties, settings, run)


def predict(given: OutcomeExamples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n), the probabilities of the event."""
    settings = read_settings(Settings, read_config(run.folder)["settings"])
    return predict_regression(partial(read, settings.times), given, run)
