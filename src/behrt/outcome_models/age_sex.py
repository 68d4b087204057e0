"""Age and sex only: a logistic regression on a spline of age, and on sex.

The spline is restricted cubic, with knots at Harrell's percentiles of the ages of the training
patients (Regression Modeling Strategies, 2015, section 2.4.6).
"""

from functools import partial

import numpy as np

from behrt.evaluation.calibration import basis
from behrt.learning.artefacts import read_weights
from behrt.learning.outcomes import OutcomeExamples
from behrt.learning.run import TrainingRun
from behrt.outcome_models._regression import fit_regression, predict_regression
from behrt.settings.base import Section

PERCENTILES = (5, 27.5, 50, 72.5, 95)
PENALTY = 0.1
DECADE = 120.0


class Settings(Section):
    """It has none."""


def knots_of(train: OutcomeExamples) -> np.ndarray:
    """Return the knots of the spline in decades, float32; none for a straight line."""
    knots = np.unique(np.percentile(train.months_of_age / DECADE, PERCENTILES)).astype(np.float32)
    nearly_one_age = len(knots) < len(PERCENTILES)
    return knots[:0] if nearly_one_age else knots


def read(knots: np.ndarray, given: OutcomeExamples) -> np.ndarray:
    """Return float64 (n, features): a spline of age in decades, and two columns for sex."""
    decades = given.months_of_age / DECADE
    spline = basis(decades, knots)[:, 1:] if len(knots) else decades[:, None]
    sexes = np.stack([given.examples.sex == sex for sex in (1, 2)], axis=1)
    return np.concatenate([spline, sexes], axis=1)


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
    knots = knots_of(train)
    fit_regression(partial(read, knots), train, tuning, [PENALTY], settings, run, knots=knots)


def predict(given: OutcomeExamples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n), the probabilities of the event."""
    knots = read_weights(run.folder)["knots"]
    return predict_regression(partial(read, knots), given, run)
