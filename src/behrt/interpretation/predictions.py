"""A patient's predicted diseases, with their attribution to the history."""

from dataclasses import dataclass

import numpy as np

from behrt.evaluation.recalibration import Recalibration
from behrt.interpretation.attention import attention_of
from behrt.interpretation.integrated_gradients import contributions
from behrt.learning.examples import Examples
from behrt.learning.words import Words, words_to_predict
from behrt.models.behrt import Behrt
from behrt.settings.behrt import Settings


@dataclass(frozen=True)
class Prediction:
    """One disease of one patient.

    Attributes:
        disease: phenotype index.
        risk: recalibrated.
        known: whether it is in the history.
        observed: whether it was recorded in the window that is predicted.
        contributions: float64 (words), contribution of each word to the recalibrated log-odds.
    """

    disease: int
    risk: float
    known: bool
    observed: bool
    contributions: np.ndarray


@dataclass(frozen=True)
class History:
    """The input, attention and predictions of a model for one patient.

    Attributes:
        sex: 0 unknown, 1 male, 2 female. The model does not read it.
        words: of the patient (n).
        read: index of the word from which the predictions are read.
        attention: float32 (layers, heads, n, n), from word (row) to word (column).
        predictions: highest risk first.
    """

    sex: int
    words: Words
    read: int
    attention: np.ndarray
    predictions: tuple[Prediction, ...]


def explain(
    model: Behrt,
    settings: Settings,
    examples: Examples,
    scores: np.ndarray,
    recalibration: Recalibration,
    count: int,
) -> list[History]:
    """Return the histories of all examples, in their order.

    Args:
        model: a classifier, on the CPU, in evaluation mode.
        settings: the model's.
        examples: simulated patients.
        scores: float (patients, diseases), the model's.
        recalibration: of these scores.
        count: predictions per patient.
    """
    histories = []
    risks = recalibration.risks(scores)
    known, observed = (
        matrix(np.arange(len(examples)))
        for matrix in (examples.known_matrix, examples.label_matrix)
    )
    for row in range(len(examples)):
        words, places = words_to_predict(examples, np.array([row]), settings)
        read = int(places[0])
        predictions = tuple(
            Prediction(
                disease=disease,
                risk=float(risks[row, disease]),
                known=bool(known[row, disease]),
                observed=bool(observed[row, disease]),
                contributions=recalibration.slope
                * contributions(model, words, read, disease, exclusive=False),
            )
            for disease in np.argsort(-risks[row], kind="stable")[:count].tolist()
        )
        sex = int(examples.sex[row])
        histories.append(History(sex, words, read, attention_of(model, words), predictions))
    return histories
