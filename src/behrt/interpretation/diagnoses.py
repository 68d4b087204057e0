"""Each diagnosis of a history against the others, in the pretrained model (Fig. 5)."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from behrt.interpretation.attention import attention_of
from behrt.interpretation.integrated_gradients import contributions
from behrt.learning.words import Words
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import FIRST_DISEASE, MASK


@dataclass(frozen=True)
class Diagnoses:
    """The n diagnoses of one patient, in order of time, and their effect on each other.

    Attributes:
        diseases: int64 (n), phenotype indices.
        ages: int64 (n), months.
        visits: int64 (n), index of the visit.
        attention: float32 (heads, n, n), of the last layer: from diagnosis (row) to diagnosis
            (column). A row sums to less than 1: the rest goes to CLS and SEP.
        contributions: float64 (n, n): contribution of each diagnosis (column) to the log-odds of
            the row's disease when it is masked; 0 on the diagonal.
    """

    diseases: np.ndarray
    ages: np.ndarray
    visits: np.ndarray
    attention: np.ndarray
    contributions: np.ndarray

    def mean_attention(self) -> np.ndarray:
        """Return float32 (n, n): the mean over heads, 0 on the diagonal."""
        mean: np.ndarray = self.attention.mean(axis=0)
        np.fill_diagonal(mean, 0)
        return mean

    def agreement(self) -> float:
        """Return Spearman's rank correlation of mean attention and |contribution| over pairs.

        It is NaN where either is the same for all pairs.
        """
        pairs = ~np.eye(len(self.diseases), dtype=bool)
        ranks = spearmanr(self.mean_attention()[pairs], np.abs(self.contributions[pairs]))
        return float(ranks.statistic)

    def of_interest(self) -> int:
        """Return the diagnosis with the highest mean attention to one of another visit."""
        apart = self.visits[:, None] != self.visits[None, :]
        strongest: np.ndarray = np.where(apart, self.mean_attention(), -1).max(axis=1)
        return int(strongest.argmax())


def compare(model: Behrt, words: Words) -> Diagnoses:
    """Return attention and contributions between the diagnoses of one patient.

    Args:
        model: pretrained, on the CPU, in evaluation mode.
        words: of one patient.
    """
    places = np.flatnonzero(words.tokens >= FIRST_DISEASE)
    diseases = words.tokens[places] - FIRST_DISEASE
    attention = attention_of(model, words)[-1][:, places[:, None], places]
    rows = []
    for place, disease in zip(places.tolist(), diseases.tolist(), strict=True):
        tokens = words.tokens.copy()
        tokens[place] = MASK
        hidden = replace(words, tokens=tokens)
        rows.append(contributions(model, hidden, place, disease, exclusive=True)[places])
    return Diagnoses(diseases, words.ages[places], words.visits[places], attention, np.array(rows))
