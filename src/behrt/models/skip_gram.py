"""Patient vectors from skip-gram disease vectors with a linear head (Choi et al. 2016).

Source: "Medical Concept Representation Learning from Electronic Health Records and its Application
on Heart Failure Prediction", arXiv 1602.03686. Vectors of diseases are trained by skip-gram with
negative sampling (Mikolov et al. 2013, in gensim), with a history as a sentence; a patient's vector
is the sum of those of all recorded diseases, and a logistic regression predicts from it.

Words of other inputs are read as diseases are; the original, too, had medications and procedures.

Deviations: the words of a visit are in the order of the vocabulary; sums are divided by 1 + the
number of words; sex and age at the last input visit are added to the vector; the head predicts all
diseases.
"""

from functools import partial
from itertools import pairwise

import numpy as np
from gensim.models import Word2Vec

from behrt.learning.artefacts import read_weights
from behrt.learning.device import begin
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import counts, with_demographics
from behrt.learning.linear import Penalties, fit_head, head_scores
from behrt.learning.run import TrainingRun
from behrt.settings.base import Count, Section

DISEASE_VECTORS = "diseases"
"""The tensor whose last rows are the vectors of the words, for a trained folder."""


class Settings(Section):
    """The skip-gram vectors, and the penalties of the linear head."""

    size: Count = 100
    """Numbers per vector."""

    window: Count = 10
    """Diseases on each side that a disease predicts, at most."""

    negative: Count = 5
    """Diseases drawn at random for each true one."""

    epochs: Count = 10
    """Passes over the training histories."""

    penalties: Penalties = (10.0, 100.0, 1000.0)
    """Ridge penalties of the linear head; the one with the best tuning score is used."""


def disease_vectors(train: Examples, settings: Settings, seed: int) -> np.ndarray:
    """Return float32 (n_words, size), zeros for a word that no training history has."""
    ends = train.code_offsets[train.visit_offsets]
    sentences = [[str(code) for code in train.codes[a:b]] for a, b in pairwise(ends)]
    learned = Word2Vec(
        sentences,
        sg=1,
        vector_size=settings.size,
        window=settings.window,
        negative=settings.negative,
        epochs=settings.epochs,
        min_count=1,
        seed=seed,
        workers=1,  # several would race
    ).wv
    vectors = np.zeros((train.n_words, settings.size), dtype=np.float32)
    for word in np.unique(train.codes):
        vectors[word] = learned[str(word)]
    return vectors


def patient_vectors(diseases: np.ndarray, examples: Examples) -> np.ndarray:
    """Return float32 (n, size): the sum of the vectors of a patient's words over 1 + number."""
    counted = counts(examples)
    number = np.asarray(counted.sum(axis=1)).reshape(-1, 1)
    return np.asarray(counted @ diseases / (1 + number), dtype=np.float32)


def _features(diseases: np.ndarray, examples: Examples) -> np.ndarray:
    return with_demographics(patient_vectors(diseases, examples), examples)


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Train the vectors of diseases, and fit the head."""
    diseases = disease_vectors(train, settings, run.compute.seed)
    head = fit_head(partial(_features, diseases), train, tuning, settings.penalties)
    return {"diseases": diseases, **head}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    return head_scores(weights, partial(_features, weights["diseases"]), examples)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, size), the vectors of the patients."""
    return patient_vectors(read_weights(run.folder)["diseases"], examples)


_kind = Estimated("skip_gram", Settings, estimate, score, begin)
fit, predict = _kind.fit, _kind.predict
