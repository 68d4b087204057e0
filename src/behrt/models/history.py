"""The diseases of the input history carried forward; for other diseases, the prevalence.

The score of a disease is the share of training patients with the disease as a label, separately for
patients with and without the disease in the input history. Nothing else of the history is used.
Both shares are smoothed towards the disease's prevalence p among all training patients, as if there
were `pseudo_patients` more patients with it (additive smoothing, Laplace):

    (labelled + pseudo_patients * p) / (patients + pseudo_patients)
"""

import numpy as np

from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.run import TrainingRun
from behrt.settings.base import Positive, Section

CHUNK = 65_536


class Settings(Section):
    """How strongly shares are smoothed."""

    pseudo_patients: Positive = 1.0
    """The weight of the prevalence, in patients."""


def rates(train: Examples, pseudo_patients: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of labels with and without the disease in the history.

    Both are float32 (n_diseases).
    """
    patients = np.zeros(train.n_diseases)
    labelled = np.zeros(train.n_diseases)
    for start in range(0, len(train), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(train)))
        known = train.known_matrix(rows)
        patients += known.sum(axis=0)
        labelled += (known & train.label_matrix(rows)).sum(axis=0)
    prevalence = train.label_prevalence()
    prior = pseudo_patients * prevalence
    all_labelled = np.bincount(train.labels, minlength=train.n_diseases)
    with_it = (labelled + prior) / (patients + pseudo_patients)
    without = (all_labelled - labelled + prior) / (len(train) - patients + pseudo_patients)
    return with_it.astype(np.float32), without.astype(np.float32)


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Count histories and labels."""
    with_it, without = rates(train, settings.pseudo_patients)
    return {"with": with_it, "without": without}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return float32 (n, n_diseases): the share for each patient's history."""
    known = examples.known_matrix(np.arange(len(examples)))
    return np.where(known, weights["with"], weights["without"])


_kind = Estimated("history", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
