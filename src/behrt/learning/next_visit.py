"""The objective of BEHRT's pretraining by forecasting: predict each visit from earlier ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt.learning import engine, parallel
from behrt.learning.engine import Batch, Objective
from behrt.learning.examples import Examples
from behrt.learning.masked_language import batch_of
from behrt.learning.words import Words, words_of
from behrt.sequences.vocabulary import FIRST_DISEASE, MASK, SEP

if TYPE_CHECKING:  # its import takes longer than many predictions
    from lightning_fabric import Fabric


def with_masked_visits(words: Words, n_words: int) -> tuple[Words, np.ndarray, np.ndarray]:
    """Return words with a MASK in front of each visit but the first, in place of that visit.

    The MASK has the place of the visit that it predicts and the age of the visit before, as the one
    that closes a history in fine-tuning (`words_of`).

    >>> tokens = np.array([1, FIRST_DISEASE, SEP, FIRST_DISEASE + 2, SEP])
    >>> words = Words(
    ...     np.array([0, 5]), tokens, np.array([600, 600, 600, 616, 616]), np.array([0, 0, 0, 1, 1])
    ... )
    >>> more, read, labels = with_masked_visits(words, 3)
    >>> more.tokens.tolist(), more.ages.tolist(), more.visits.tolist()
    ([1, 5, 2, 3, 7, 2], [600, 600, 600, 600, 616, 616], [0, 0, 0, 1, 1, 1])
    >>> read.tolist(), labels.tolist()
    ([3], [[False, False, True]])

    Returns:
        The words; int64 (m), the places of MASK among them; bool (m, n_words), the words of
        the visit that each stands for.
    """
    ends = np.flatnonzero(words.tokens == SEP)  # of visits
    followed = ends[~np.isin(ends + 1, words.offsets)]
    tokens = np.insert(words.tokens, followed + 1, MASK)
    visits = np.insert(words.visits, followed + 1, words.visits[followed] + 1)
    ages = np.insert(words.ages, followed + 1, words.ages[followed])
    offsets = words.offsets + np.searchsorted(followed, words.offsets)
    read = np.flatnonzero(tokens == MASK)
    later = np.flatnonzero((tokens >= FIRST_DISEASE) & (visits > 0))
    labels = np.zeros((len(read), n_words), dtype=bool)
    labels[np.searchsorted(read, later) - 1, tokens[later] - FIRST_DISEASE] = True
    return Words(offsets, tokens, ages, visits), read, labels


@dataclass(frozen=True)
class NextVisit(Objective):
    """The words of every visit but the first, from the visits before it, on whole histories.

    `model(causal=True, **batch)` gives logits (m, n_words). The loss is binary cross-entropy, mean
    over visits and words, as in fine-tuning.
    """

    max_length: int

    chooses = "tuning_loss"
    higher = False

    def _batch(
        self, examples: Examples, rows: np.ndarray, part: slice
    ) -> tuple[dict[str, Tensor], Tensor, int]:
        """Return the network's arguments, the labels, and the number of labels of all `rows`."""
        words = words_of(examples, rows, self.max_length, closing_mask=False)
        visits = int((words.tokens == SEP).sum()) - len(rows)  # the first of each has no label
        words, read, labels = with_masked_visits(words.of(part), examples.n_words)
        return batch_of(words, read), torch.from_numpy(labels), visits

    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        return self._batch(self.train, rows, part)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        given, labels, visits = batch
        loss: Tensor = self._total(model, given, labels) / max(visits, 1)
        return loss

    def _total(self, model: nn.Module, given: dict[str, Tensor], labels: Tensor) -> Tensor:
        """Return the loss, a mean over words and a sum over visits."""
        logits = model(causal=True, **given)
        losses = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        return losses.mean(1).sum()

    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        """Return the loss of the tuning patients."""
        model.eval()
        totals = []
        with torch.no_grad():
            for rows in engine.own_chunks(len(self.tuning), fabric):
                given, labels, visits = fabric.to_device(
                    self._batch(self.tuning, rows, slice(0, len(rows)))
                )
                totals.append((float(self._total(model, given, labels)), visits))
        loss, visits = parallel.added_up(fabric, np.array(totals).reshape(-1, 2).sum(axis=0))
        return {"tuning_loss": float(loss) / max(visits, 1)}
