"""Small training sets for models of one disease: its cases, some controls, related words.

Few examples have a given disease as a label, and most diseases on record have nothing to do with
it. So a model of one disease learns nearly as much from all examples with the label (cases), a
random sample of the others (controls) and the diseases (and other words) that are most associated
with it, in a fraction of the time.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from behrt.learning.examples import Examples, word_types
from behrt.learning.run import TrainingRun, generator
from behrt.settings.base import Count, Section

LEAST_CONTROLS = 4_000


class CaseControl(Section):
    """What the model of one disease learns from."""

    times: bool = False
    """Whether the time since the last and the first record of each disease, the time since the
    start of follow-up and the number of visits are read, too."""

    controls: Count | None = None
    """Examples without the disease as a label for each example with it, at most, but at least 4000
    in all. They are drawn at random, and the predicted odds are corrected for it. null is all."""

    diseases: Count | None = None
    """Diseases that are read from the history: those most associated with the label in the training
    examples. As many words of each other input are read. null is all."""

    @property
    def is_sampled(self) -> bool:
        """Whether the models of two diseases may have different training sets."""
        return self.controls is not None or self.diseases is not None


@dataclass(frozen=True)
class TrainingSet:
    """What the model of one disease learns from.

    Attributes:
        rows: int64, of the training examples, ascending.
        label: bool (rows), whether the disease is in the label.
        words: int64, whose records are read, ascending.
        log_share: the logarithm of the share of controls that are among the rows. It is added to
            the log-odds that a model predicts, since a sample of controls changes only their
            intercept (Prentice and Pyke 1979).
    """

    rows: np.ndarray
    label: np.ndarray
    words: np.ndarray
    log_share: float

    def columns(self, n_words: int, blocks: int, width: int) -> np.ndarray:
        """Return int32: the columns of features that concern the words, or no word.

        Args:
            n_words: the columns of a block, one per word.
            blocks: how many blocks come first.
            width: all columns.
        """
        read = np.add.outer(np.arange(blocks) * n_words, self.words).ravel()
        return np.concatenate([read, np.arange(blocks * n_words, width)]).astype(np.int32)


class TrainingSets:
    """The training sets of all diseases.

    Args:
        train: the training examples.
        settings: how many controls and diseases.
        run: its seed draws the controls.
    """

    def __init__(self, train: Examples, settings: CaseControl, run: TrainingRun) -> None:
        self._train, self._settings, self._run = train, settings, run
        self._row = np.repeat(np.arange(len(train)), np.diff(train.label_offsets))
        self._association = association(train)
        types = word_types(train.n_diseases, train.concepts)
        self._words_of_types = [np.flatnonzero(types == kind) for kind in np.unique(types)]

    def of(self, disease: int) -> TrainingSet:
        """Return the training set of a disease."""
        label = np.zeros(len(self._train), dtype=bool)
        label[self._row[self._train.labels == disease]] = True
        rows, share = np.arange(len(label)), 1.0
        if self._settings.controls is not None:
            cases = int(label.sum())
            wanted = max(self._settings.controls * cases, LEAST_CONTROLS)
            share = min(1.0, wanted / max(len(label) - cases, 1))
            drawn = generator(self._run, disease).random(len(label)) < share
            rows = np.flatnonzero(label | drawn)
        strength = -self._association[disease]
        ranked = (
            words[np.argsort(strength[words], kind="stable")] for words in self._words_of_types
        )
        read = np.sort(np.concatenate([words[: self._settings.diseases] for words in ranked]))
        return TrainingSet(rows, label[rows], read, float(np.log(share)))


def association(train: Examples) -> np.ndarray:
    """Return float32 (n_diseases, n_words): how far each word on record goes with each label.

    Of the label in the row and the word on record in the column it is |observed − expected| /
    √(expected + 1), where both are numbers of examples that have the two, and expected are those if
    the two were independent.
    """
    labelled = _indicators(train.label_offsets, train.labels, train.n_diseases)
    words, offsets = train.recorded(np.arange(len(train)))
    recorded = _indicators(offsets, words, train.n_words)
    both = (labelled.T @ recorded).toarray()
    expected = np.outer(labelled.sum(axis=0), recorded.sum(axis=0)) / max(len(train), 1)
    strength: np.ndarray = np.abs(both - expected) / np.sqrt(expected + 1)
    return strength


def _indicators(offsets: np.ndarray, words: np.ndarray, number: int) -> csr_array:
    """Return float32 (examples, number): 1 for each word of an example."""
    ones = np.ones(len(words), dtype=np.float32)
    return csr_array((ones, words.astype(np.int64), offsets), shape=(len(offsets) - 1, number))
