"""Doctor AI: gated recurrent units over visits (Choi et al. 2016, arXiv 1511.05942).

A visit is the sum of its words' embeddings through tanh, together with the time since the
previous visit; stacked GRUs read visit after visit, and the prediction is made from the last state.

Deviations: the original predicts the next visit after every visit, by softmax, and the time until
it; here the task's label is predicted after the last input visit, each disease separately, and
no time. Time is read as years and as the logarithm of 1 + days. Embeddings start at random, not
from skip-gram, and sex is embedded and added to the state.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from behrt.learning.dropout import dropout
from behrt.learning.examples import Examples
from behrt.learning.trained import Trained, start_at_prevalence
from behrt.learning.visits import DAYS_A_YEAR, steps, visit_batch
from behrt.settings.base import Count, Section, ShareBelowOne


class Settings(Section):
    """The sizes of a Doctor AI."""

    embedding_size: Count = 128
    """Numbers per visit."""

    hidden_size: Count = 128
    """State of each GRU."""

    layers: Count = 2
    """GRUs, one on top of the other."""

    sex_size: Count = 16
    """Numbers in the embedding of sex."""

    dropout: ShareBelowOne = 0.2
    """Share of the GRUs' and the classifier's inputs set to 0 in training."""

    maximum_visits: Count = 100
    """Visits per patient, at most. The latest are kept."""


def collate(
    settings: Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> dict[str, Tensor]:
    """Return the model's inputs for some rows, nothing in them random; see `visit_batch`."""
    return visit_batch(examples, rows, settings.maximum_visits)


class DoctorAI(nn.Module):
    """Visits to logits."""

    def __init__(self, settings: Settings, n_diseases: int, n_words: int) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(n_words, settings.embedding_size, mode="sum")
        self.embedding_bias = nn.Parameter(torch.zeros(settings.embedding_size))
        self.readers = nn.ModuleList(
            nn.GRU(size, settings.hidden_size)
            for size in (
                settings.embedding_size + 2,
                *[settings.hidden_size] * (settings.layers - 1),
            )
        )
        self.sex = nn.Embedding(3, settings.sex_size)
        self.rate = settings.dropout
        self.classifier = nn.Linear(settings.hidden_size + settings.sex_size, n_diseases)

    def prepare(self, train: Examples) -> None:
        """Start the classifier at the labels' prevalence."""
        start_at_prevalence(self.classifier, train)

    def forward(
        self, codes: Tensor, code_offsets: Tensor, gap_days: Tensor, lengths: Tensor, sex: Tensor
    ) -> Tensor:
        """Return the logits (n, n_diseases); the arguments are those of `visit_batch`."""
        order = steps(lengths)
        days = gap_days.float()
        time = torch.stack([days / DAYS_A_YEAR, torch.log1p(days)], dim=1)
        visits = torch.tanh(self.embedding(codes, code_offsets) + self.embedding_bias)
        states = torch.cat([visits, time], dim=1)[torch.argsort(order.ahead)]
        active = order.active.cpu()
        with torch.autocast(states.device.type, enabled=False):
            for reader in self.readers:
                states = dropout(states.float(), self.rate, self.training)
                states = reader(PackedSequence(states, active))[0].data
        last = states[order.ahead[torch.cumsum(lengths, dim=0) - 1]]
        features = torch.cat([last, self.sex(sex)], dim=1)
        logits: Tensor = self.classifier(dropout(features, self.rate, self.training))
        return logits


_kind = Trained("doctor_ai", Settings, DoctorAI, collate)
fit, predict, embed = _kind.fit, _kind.predict, _kind.embed
