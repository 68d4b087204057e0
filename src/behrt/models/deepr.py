"""Deepr: a convolution over one sentence of codes and time gaps (Nguyen et al. 2017).

Source: arXiv 1607.07519. A history becomes one sentence: the diseases (and words of other inputs)
of each visit in random order, and between two visits a word for the time that passed. Those that
are rare in training share one word, RAREWORD. Each filter returns how well the best-fitting window
of the sentence matches it, and a linear layer predicts from these values. Sex, which the original
did not use, is embedded and added to them.
"""

from typing import Annotated, cast

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from behrt.learning.dropout import dropout
from behrt.learning.examples import Examples
from behrt.learning.trained import Trained, start_at_prevalence
from behrt.learning.value_rows import ValueRows
from behrt.ragged import ragged_ranges, ragged_take
from behrt.settings.base import Count, Distinct, Section, ShareBelowOne

PAD = 0
RAREWORD = 1
FIRST_GAP = 2
FIRST_DISEASE = 7
DISEASE_ROWS = {
    "embedding.weight": FIRST_DISEASE,
    "word": FIRST_DISEASE,
    "classifier.bias": 0,
    "classifier.weight": 0,
}
"""The tensors with one row per disease, and the first such row, which a release may erase."""
DISEASE_VECTORS = "embedding.weight"
"""The tensor whose last rows are the vectors of the words, for a trained folder."""
RARE_VALUES = {"word": RAREWORD}
"""The value of the rows of rare diseases in a released model, where it is not 0."""
GAP_EDGES = np.array([1, 3, 6, 12]) * 365.25 / 12
"""The longest gaps, in days, of the words 0–1, 1–3, 3–6 and 6–12 months; beyond is 12+."""


class Settings(Section):
    """The sizes of a Deepr. The defaults are its authors'."""

    embedding_size: Count = 100
    """Numbers per word."""

    filters: Count = 100
    """Filters per width."""

    widths: Distinct[Count] = (3, 4, 5)
    """Words that a filter spans; one convolution for each width."""

    sex_size: Count = 16
    """Numbers in the embedding of sex."""

    dropout: ShareBelowOne = 0.2
    """Share of the classifier's inputs set to 0 in training."""

    maximum_words: Count = 100
    """Words per patient, at most. The latest whole visits that fit are kept."""

    minimum_uses: Annotated[int, Field(ge=0)] = 100
    """Diseases, and words of other inputs, with fewer uses in the training inputs share one word,
    RAREWORD."""


def gap_words(days: np.ndarray) -> np.ndarray:
    """Return the word (int64) for each gap in days; an edge belongs to the shorter gap."""
    return FIRST_GAP + np.searchsorted(GAP_EDGES, days, side="left")


def latest_visits(
    examples: Examples, rows: np.ndarray, maximum_words: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the visits (int64) of the rows whose words fit, and their offsets (rows + 1).

    A sentence is cut between visits, so that the order of the diseases in a visit never decides
    which are read. The latest visit is kept even if it is too long by itself.
    """
    visits, offsets = ragged_take(examples.visit_offsets, rows)
    counts = np.diff(offsets)
    sizes = examples.code_offsets[visits + 1] - examples.code_offsets[visits] + 1  # one for a gap
    ends = np.cumsum(sizes)
    last = np.repeat(offsets[1:] - 1, counts)
    words_to_the_end = ends[last] - ends + sizes - 1
    kept = (words_to_the_end <= maximum_words) | (np.arange(len(visits)) == last)
    row = np.repeat(np.arange(len(rows)), counts)[kept]
    np.cumsum(np.bincount(row, minlength=len(rows)), out=offsets[1:])
    return visits[kept], offsets


def sentences(
    settings: Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat words (int64) of the rows' sentences and their offsets (rows + 1).

    The diseases of a visit are in random order, or in ascending order without a generator, so that
    the sentence depends only on the contents of each visit. If the latest visit is longer
    than a sentence, its first words in that order are kept. A history without any is RAREWORD.
    """
    visits, visit_offsets = latest_visits(examples, rows, settings.maximum_words)
    positions, code_offsets = ragged_take(examples.code_offsets, visits)
    codes = examples.codes[positions].astype(np.int64)
    visit = np.repeat(np.arange(len(visits)), np.diff(code_offsets))
    if generator is None:
        order = np.argsort(visit * examples.n_words + codes, kind="stable")
    else:
        order = np.argsort(visit + generator.random(len(visit)))

    follows = np.ones(len(visits), dtype=bool)
    follows[visit_offsets[:-1][np.diff(visit_offsets) > 0]] = False
    word_offsets = code_offsets + np.concatenate([[0], np.cumsum(follows)])
    gaps = word_offsets[:-1][follows]
    words = np.empty(word_offsets[-1], dtype=np.int64)
    is_disease = np.ones(len(words), dtype=bool)
    is_disease[gaps] = False
    words[is_disease] = FIRST_DISEASE + codes[order]
    days = examples.visit_day[visits].astype(np.int64)
    words[gaps] = gap_words(np.diff(days, prepend=0)[follows])

    starts = word_offsets[visit_offsets[:-1]]
    lengths = np.minimum(word_offsets[visit_offsets[1:]] - starts, settings.maximum_words)
    kept, offsets = ragged_ranges(starts, lengths)
    words = words[kept]
    if not lengths.all():
        words = np.insert(words, offsets[:-1][lengths == 0], RAREWORD)
        offsets = np.concatenate([[0], np.maximum(lengths, 1).cumsum()])
    return words, offsets


def collate(
    settings: Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> dict[str, torch.Tensor]:
    """Return the model's inputs for some rows; see `Deepr.forward`."""
    words, offsets = sentences(settings, examples, rows, generator)
    lengths = np.diff(offsets)
    # Sentences are in one line with room for the widest window around each.
    room = max(settings.widths) - 1
    places = np.arange(len(words)) + np.repeat(np.arange(len(rows)) * room, lengths)
    line = np.full(len(words) + room * (len(rows) + 1), PAD)
    line[places + max(settings.widths) // 2] = words
    windows = np.lib.stride_tricks.sliding_window_view(line, max(settings.widths))[places]
    return {
        "windows": torch.from_numpy(windows),
        "lengths": torch.from_numpy(lengths),
        "sex": torch.from_numpy(examples.sex[rows].astype(np.int64)),
    }


def value_rows(settings: Settings, examples: Examples, rows: np.ndarray) -> dict[str, ValueRows]:
    """Return which words that are not diseases, and which sexes, the patients at `rows` read."""
    words, offsets = sentences(settings, examples, rows, None)
    uses = np.bincount(examples.codes, minlength=examples.n_words)
    frequent = np.concatenate([np.ones(FIRST_DISEASE, bool), uses >= settings.minimum_uses])
    words = np.where(frequent[words], words, RAREWORD)
    other = words < FIRST_DISEASE
    return {
        "embedding.weight": ValueRows(np.repeat(rows, np.diff(offsets))[other], words[other]),
        "sex.weight": ValueRows(rows, examples.sex[rows].astype(np.int64)),
    }


class Deepr(nn.Module):
    """Sentences to logits."""

    word: torch.Tensor

    def __init__(self, settings: Settings, n_diseases: int, n_words: int) -> None:
        super().__init__()
        n_entries = FIRST_DISEASE + n_words
        self.embedding = nn.Embedding(n_entries, settings.embedding_size, padding_idx=PAD)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(settings.embedding_size, settings.filters, width) for width in settings.widths
        )
        self.sex = nn.Embedding(3, settings.sex_size)
        self.rate = settings.dropout
        self.minimum_uses = settings.minimum_uses
        features = len(settings.widths) * settings.filters + settings.sex_size
        self.classifier = nn.Linear(features, n_diseases)
        self.register_buffer("word", torch.arange(n_entries))

    @torch.no_grad()
    def prepare(self, train: Examples) -> None:
        """Find the rare diseases, and start the classifier at the prevalence of the labels."""
        uses = np.bincount(train.codes, minlength=train.n_words)
        self.word[FIRST_DISEASE:][torch.from_numpy(uses < self.minimum_uses)] = RAREWORD
        start_at_prevalence(self.classifier, train)

    def _convolve(self, convolution: nn.Conv1d, windows: torch.Tensor) -> torch.Tensor:
        """Return (words, filters): the convolution centred on each word of the sentences.

        There are few distinct words, so each is multiplied with each slice of the kernel once,
        and a window is a sum of these products.
        """
        width = convolution.kernel_size[0]
        n_words = self.embedding.num_embeddings
        slices = self.embedding.weight @ convolution.weight.permute(2, 1, 0)
        start = windows.shape[1] // 2 - width // 2
        window = windows[:, start : start + width]
        rows = window + n_words * torch.arange(width, device=window.device)
        table = slices.float().reshape(width * n_words, -1)
        looked_up = F.embedding_bag(
            rows.masked_fill(window == PAD, PAD), table, mode="sum", padding_idx=PAD
        )
        return looked_up + cast(torch.Tensor, convolution.bias)

    def forward(
        self, windows: torch.Tensor, lengths: torch.Tensor, sex: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits (n, n_diseases).

        Args:
            windows: int64 (words of all sentences, widest filter), the words around each word,
                PAD beyond the sentence. Padding has no window, so it cannot be the maximum.
            lengths: int64 (n), words per sentence.
            sex: int64 (n).
        """
        windows = self.word[windows]
        best = []
        for convolution in self.convolutions:
            matches = self._convolve(cast(nn.Conv1d, convolution), windows)
            best.append(torch.segment_reduce(matches, "max", lengths=lengths))
        features = torch.cat([F.relu(torch.cat(best, dim=1)), self.sex(sex)], dim=1)
        logits: torch.Tensor = self.classifier(dropout(features, self.rate, self.training))
        return logits


_kind = Trained("deepr", Settings, Deepr, collate)
fit, predict, embed = _kind.fit, _kind.predict, _kind.embed
