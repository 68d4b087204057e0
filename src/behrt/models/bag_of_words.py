"""Patient vectors from a bag of words (TF-IDF) with a linear head.

A history is a document of its diseases (and words of other inputs). Each count is weighted by how
few training patients have the word (scikit-learn's smooth inverse document frequency), and a
patient's vector is scaled to length 1. Nguyen et al. (2017, arXiv 1607.07519, section IV) compare
Deepr with this text classifier. Sex and age at the last input visit are added to the vector, as in
the other models with a linear head, so that these models differ only in the vectors.
"""

from functools import partial

import numpy as np
from scipy.sparse import csr_array, diags_array, hstack

from behrt.learning.artefacts import read_weights
from behrt.learning.device import begin
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import counts, demographics, examples_with
from behrt.learning.linear import Penalties, fit_head, head_scores
from behrt.learning.run import TrainingRun
from behrt.settings.base import Section


class Settings(Section):
    """The penalties of the linear head."""

    penalties: Penalties = (1.0, 3.0, 10.0)
    """Ridge penalties of the linear head; the one with the best tuning score is used."""


def rarity(train: Examples) -> np.ndarray:
    """Return float32 (n_words): log((1 + n) / (1 + patients with the word)) + 1."""
    return (np.log((1 + len(train)) / (1 + examples_with(train))) + 1).astype(np.float32)


def vectors(rarity: np.ndarray, examples: Examples) -> csr_array:
    """Return float32 (n, n_words): counts times rarity, scaled to length 1 for each patient."""
    weighed = counts(examples) @ diags_array(rarity)
    lengths = np.sqrt(np.asarray((weighed * weighed).sum(axis=1)).ravel())
    scale = 1 / np.where(lengths > 0, lengths, 1)
    return csr_array(diags_array(scale.astype(np.float32)) @ weighed)


def _features(rarity: np.ndarray, examples: Examples) -> csr_array:
    return csr_array(hstack([vectors(rarity, examples), demographics(examples)]))


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Count patients with each word, and fit the head."""
    weighed = rarity(train)
    head = fit_head(partial(_features, weighed), train, tuning, settings.penalties)
    return {"rarity": weighed, **head}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    return head_scores(weights, partial(_features, weights["rarity"]), examples)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, n_diseases), the vectors of the patients."""
    return vectors(read_weights(run.folder)["rarity"], examples).toarray()


_kind = Estimated("bag_of_words", Settings, estimate, score, begin)
fit, predict = _kind.fit, _kind.predict
