"""The objective of BEHRT's pretraining: predict masked words (MLM)."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt.learning import engine, parallel
from behrt.learning.engine import Batch, Objective
from behrt.learning.examples import Examples, word_types
from behrt.learning.words import Words, mask_words, packed_rows, words_of
from behrt.settings.behrt import Masking

if TYPE_CHECKING:  # its import takes longer than many predictions
    from lightning_fabric import Fabric


def batch_of(words: Words, read: np.ndarray) -> dict[str, Tensor]:
    """Return the network's arguments for some words; `read` are those that are read out (int64)."""
    return {name: torch.from_numpy(array) for name, array in packed_rows(words, read).items()}


@dataclass(frozen=True)
class MaskedLanguage(Objective):
    """Masked-word prediction on whole histories; other words are masked in every epoch."""

    max_length: int
    masking: Masking
    seed: int
    special_targets: bool = False

    chooses = "tuning_loss"
    higher = False

    @cached_property
    def _read(self) -> np.ndarray | None:
        """Int64: the words of the inputs that the training examples have; None for all words."""
        if not self.train.concepts:
            return None
        types = word_types(self.train.n_diseases, self.train.concepts)
        return np.flatnonzero(np.isin(types, types[self.train.word_counts() > 0]))

    def _batch(
        self, examples: Examples, rows: np.ndarray, part: slice, generator: np.random.Generator
    ) -> tuple[dict[str, Tensor], Tensor, int]:
        """Return the network's arguments, the masked words, and their number in all `rows`."""
        words = words_of(examples, rows, self.max_length, closing_mask=False)
        words, places, targets = mask_words(
            words, self.masking, examples.n_words, generator, self.special_targets, self._read
        )
        start, end = words.offsets[[part.start, part.stop]]
        own = slice(*np.searchsorted(places, [start, end]))
        batch = batch_of(words.of(part), places[own] - start)
        return batch, torch.from_numpy(targets[own]), len(targets)

    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        return self._batch(self.train, rows, part, generator)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        given, targets, masked = batch
        logits = model(**given)  # (m, words of the vocabulary), for the m masked words
        loss: Tensor = F.cross_entropy(logits, targets, reduction="sum") / max(masked, 1)
        return loss

    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        """Return the metrics of the tuning patients, whose masked words are the same in each epoch.

        Accuracy counts the most likely word. Precision is micro-averaged over words at a threshold
        of 0.5 (paper, Methods), and None if no word reaches it.
        """
        model.eval()
        loss = words = right = confident = confident_and_right = 0.0
        with torch.no_grad():
            for rows in engine.own_chunks(len(self.tuning), fabric):
                generator = np.random.default_rng([self.seed, rows[0]])
                part = slice(0, len(rows))
                batch, targets, _ = fabric.to_device(
                    self._batch(self.tuning, rows, part, generator)
                )
                logits = model(**batch)
                loss += float(F.cross_entropy(logits, targets, reduction="sum"))
                probability, likeliest = logits.softmax(-1).max(-1)
                words += len(targets)
                right += float((likeliest == targets).sum())
                confident += float((probability > 0.5).sum())
                confident_and_right += float(((probability > 0.5) & (likeliest == targets)).sum())
        loss, words, right, confident, confident_and_right = parallel.added_up(
            fabric, np.array([loss, words, right, confident, confident_and_right])
        ).tolist()
        return {
            "tuning_loss": loss / max(words, 1),
            "tuning_accuracy": right / max(words, 1),
            "tuning_precision": confident_and_right / confident if confident else None,
        }
