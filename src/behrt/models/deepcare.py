"""DeepCare: an LSTM that forgets with time, and pools recent states (Pham et al. 2016).

Source: arXiv 1602.00357. A visit is the mean of its words' embeddings. The forget gate reads the
time since the previous visit through (days/60), (days/180)² and (days/365)³ ("parametric time").
States are averaged with weights that fall with their age, over the last 12 months, the last 24 and
all, and a network with one hidden layer predicts from the three averages.

Deviations: the data have neither interventions nor the kind of admission, so the gates that depend
on them are plain, and the weight of a state is 1 / (1 + log(1 + months)); days are cut at two years
in the parametric time, because its cube would saturate the gate; sex is embedded and added to the
averages; the label is a set of diseases.
"""

import numpy as np
import torch
from torch import Tensor, nn

from behrt.learning.dropout import dropout
from behrt.learning.examples import Examples
from behrt.learning.trained import Trained, start_at_prevalence
from behrt.learning.visits import DAYS_A_YEAR, places, steps, visit_batch
from behrt.settings.base import Count, Section, ShareBelowOne

DAYS_A_MONTH = DAYS_A_YEAR / 12
LONGEST_GAP = 730.0
WINDOWS = (12.0, 24.0, float("inf"))
"""Months before the last input visit, over which states are pooled."""


class Settings(Section):
    """The sizes of a DeepCare."""

    embedding_size: Count = 128
    """Numbers per visit."""

    hidden_size: Count = 128
    """State of the LSTM."""

    inner_size: Count = 128
    """The classifier's hidden layer."""

    sex_size: Count = 16
    """Numbers in the embedding of sex."""

    dropout: ShareBelowOne = 0.2
    """Share of visits' and the classifier's inputs set to 0 in training."""

    maximum_visits: Count = 100
    """Visits per patient, at most. The latest are kept."""


def collate(
    settings: Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> dict[str, Tensor]:
    """Return the model's inputs for some rows, nothing in them random; see `visit_batch`."""
    return visit_batch(examples, rows, settings.maximum_visits)


class TimedLSTM(nn.Module):
    """An LSTM whose forget gate reads the time since the previous visit (section 3.2.2)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input = nn.Linear(input_size, 4 * hidden_size)
        self.state = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.time = nn.Linear(3, hidden_size, bias=False)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)

    def forward(self, visits: Tensor, gap_days: Tensor, lengths: Tensor) -> Tensor:
        """Return the states (visits, hidden_size), history after history.

        Args:
            visits: (visits, input_size), history after history.
            gap_days: int64 (visits), days since the previous visit.
            lengths: int64 (n), visits a history.
        """
        order = steps(lengths)
        days = gap_days.float().clamp(max=LONGEST_GAP)
        time = torch.stack([days / 60, (days / 180) ** 2, (days / 365) ** 3], dim=1)
        by_step = torch.argsort(order.ahead)
        gates = self.input(visits[by_step])
        forgetting = self.time(time[by_step])
        hidden_size = forgetting.shape[1]
        hidden = cell = visits.new_zeros(len(lengths), hidden_size)
        states = []
        active = order.active.tolist()
        for gate, forget_more in zip(gates.split(active), forgetting.split(active), strict=True):
            hidden, cell = hidden[: len(gate)], cell[: len(gate)]
            gate = gate + self.state(hidden)
            enter, forget, out, value = gate.float().chunk(4, dim=1)
            cell = torch.sigmoid(forget + forget_more) * cell
            cell = cell + torch.sigmoid(enter) * torch.tanh(value)
            hidden = torch.sigmoid(out) * torch.tanh(cell)
            states.append(hidden)
        return torch.cat(states)[order.ahead]


def pooled(states: Tensor, months: Tensor, lengths: Tensor) -> Tensor:
    """Return the averages of each history's states over `WINDOWS`, side by side.

    Args:
        states: (visits, hidden_size), history after history.
        months: float (visits), from each visit to the last of its history.
        lengths: int64 (n), visits a history.
    """
    averages = []
    for window in WINDOWS:
        weight = (months <= window) / (1 + torch.log1p(months))
        total = torch.segment_reduce(weight[:, None] * states, "sum", lengths=lengths)
        averages.append(total / torch.segment_reduce(weight, "sum", lengths=lengths)[:, None])
    return torch.cat(averages, dim=1)


class DeepCare(nn.Module):
    """Visits to logits."""

    def __init__(self, settings: Settings, n_diseases: int, n_words: int) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(n_words, settings.embedding_size, mode="mean")
        self.reader = TimedLSTM(settings.embedding_size, settings.hidden_size)
        self.sex = nn.Embedding(3, settings.sex_size)
        self.inner = nn.Linear(
            len(WINDOWS) * settings.hidden_size + settings.sex_size, settings.inner_size
        )
        self.rate = settings.dropout
        self.classifier = nn.Linear(settings.inner_size, n_diseases)

    def prepare(self, train: Examples) -> None:
        """Start the classifier at the labels' prevalence."""
        start_at_prevalence(self.classifier, train)

    def forward(
        self, codes: Tensor, code_offsets: Tensor, gap_days: Tensor, lengths: Tensor, sex: Tensor
    ) -> Tensor:
        """Return the logits (n, n_diseases); the arguments are those of `visit_batch`."""
        visits = dropout(self.embedding(codes, code_offsets), self.rate, self.training)
        states = self.reader(visits, gap_days, lengths)
        history, _ = places(lengths)
        # The first gap of a history leads to nothing before it, and cancels out.
        day = torch.cumsum(gap_days, dim=0)
        months = (day[torch.cumsum(lengths, dim=0) - 1][history] - day).float() / DAYS_A_MONTH
        features = torch.cat([pooled(states, months, lengths), self.sex(sex)], dim=1)
        inner = torch.sigmoid(self.inner(dropout(features, self.rate, self.training)))
        logits: Tensor = self.classifier(dropout(inner, self.rate, self.training))
        return logits


_kind = Trained("deepcare", Settings, DeepCare, collate)
fit, predict, embed = _kind.fit, _kind.predict, _kind.embed
