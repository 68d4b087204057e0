"""RETAIN with time and both reading directions (Choi et al. 2016; Kwon et al. 2019).

RETAIN (arXiv 1608.05745) weights each visit (alpha) and each number of a visit's embedding (beta)
by two recurrent networks, and predicts from the weighted sum, so that the contribution of every
disease to a prediction is known. As in RetainEX (IEEE TVCG 25(1), 2019), the networks read in both
directions and use the time since the previous visit. Sex is embedded and added to the sum.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from behrt.learning.dropout import dropout
from behrt.learning.examples import Examples
from behrt.learning.trained import Trained, start_at_prevalence
from behrt.learning.value_rows import ValueRows
from behrt.learning.visits import DAYS_A_YEAR, places, steps, visit_batch
from behrt.settings.base import Count, Section, ShareBelowOne

DISEASE_ROWS = {
    "classifier.bias": 0,
    "classifier.weight": 0,
    "read_embedding.weight": 0,
    "summed_embedding.weight": 0,
}
"""The tensors with one row per disease, and the first such row, which a release may erase."""

DISEASE_VECTORS = "summed_embedding.weight"
"""The tensor whose last rows are the vectors of the words, for a trained folder."""


class Settings(Section):
    """The sizes of a RETAIN. The defaults are its authors'."""

    embedding_size: Count = 128
    """Numbers per visit, in each of the two embeddings."""

    hidden_size: Count = 128
    """State of each recurrent network in each direction."""

    sex_size: Count = 16
    """Numbers in the embedding of sex."""

    dropout: ShareBelowOne = 0.2
    """Share of the recurrent networks' and the classifier's inputs set to 0 in training."""

    maximum_visits: Count = 100
    """Visits per patient, at most. The latest are kept."""


def collate(
    settings: Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> dict[str, torch.Tensor]:
    """Return the model's inputs for some rows, nothing in them random; see `Retain.forward`."""
    return visit_batch(examples, rows, settings.maximum_visits)


def value_rows(settings: Settings, examples: Examples, rows: np.ndarray) -> dict[str, ValueRows]:
    """Return which sexes the patients at `rows` read, by tensor."""
    return {"sex.weight": ValueRows(rows, examples.sex[rows].astype(np.int64))}


class Recurrence(torch.autograd.Function):
    """The states of GRUs (Cho et al. 2014), and their gradients in few operations per step.

    Autograd would add to the gradient of the weights at each step. Here one product gives it for
    all steps, and what does not depend on later steps is also computed for all at once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        gates: torch.Tensor,
        state_weight: torch.Tensor,
        state_bias: torch.Tensor,
        active: list[int],
    ) -> torch.Tensor:
        """Return the states (directions, visits, hidden_size) at each visit.

        Args:
            ctx: keeps what `backward` needs.
            gates: (directions, visits, 3 * hidden_size), what the inputs add to the gates for
                reset and update and to the candidate, by step, the longest history first.
            state_weight: (directions, hidden_size, 3 * hidden_size).
            state_bias: (directions, 1, 3 * hidden_size).
            active: histories that reach each step.
        """
        directions, visits, width = gates.shape
        size = width // 3
        opened, candidates = gates[..., : 2 * size].clone(), gates[..., 2 * size :].clone()
        before = gates.new_zeros(directions, visits, size)
        kept, states = torch.empty_like(gates), torch.empty_like(before)
        start = previous = 0
        for number in active:
            step = slice(start, start + number)
            state = before[:, step]
            if start:
                state.copy_(states[:, previous : previous + number])
            own = torch.baddbmm(state_bias, state, state_weight)
            kept[:, step] = own
            reset, update = opened[:, step].add_(own[..., : 2 * size]).sigmoid_().chunk(2, dim=-1)
            candidate = candidates[:, step].addcmul_(reset, own[..., 2 * size :]).tanh_()
            torch.lerp(candidate, state, update, out=states[:, step])
            start, previous = step.stop, start
        ctx.save_for_backward(opened, candidates, before, kept, state_weight)
        ctx.active = active
        return states

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        """Return the gradients of gates, state_weight and state_bias."""
        opened, candidates, before, kept, state_weight = ctx.saved_tensors
        directions, visits, size = before.shape
        reset, update = opened.chunk(2, dim=-1)
        # What multiplies the gradient of a state: the first for reset, update and candidate.
        of_candidate = (1 - update) * (1 - candidates * candidates)
        factors = torch.empty(directions, visits, 3, size, dtype=before.dtype, device=before.device)
        factors[:, :, 0] = of_candidate * kept[..., 2 * size :] * reset * (1 - reset)
        factors[:, :, 1] = (before - candidates) * update * (1 - update)
        factors[:, :, 2] = of_candidate * reset
        of_states = gradient.clone()
        back = state_weight.transpose(1, 2).contiguous()
        end, later = visits, 0
        carried = before
        for number in reversed(ctx.active):
            step = slice(end - number, end)
            own = of_states[:, step]
            if later:
                own[:, :later] += carried
            factors[:, step] *= own[:, :, None]
            of_gates = factors[:, step].flatten(2)
            carried = torch.baddbmm(own * update[:, step], of_gates, back)
            end, later = step.start, number
        of_kept = factors.flatten(2)
        of_weight = torch.bmm(before.transpose(1, 2), of_kept)
        of_bias = of_kept.sum(dim=1, keepdim=True)
        of_kept[..., 2 * size :] = of_states * of_candidate
        return of_kept, of_weight, of_bias, None


class Readers(nn.Module):
    """GRUs (Cho et al. 2014) that each read the same histories from both ends.

    A step takes all GRUs, both directions and all histories that are long enough in one product,
    so that there is no padding: several times as fast on a CPU as `torch.nn.GRU`, whose equations
    these are.
    """

    def __init__(self, readers: int, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.readers = readers
        directions, gates = 2 * readers, 3 * hidden_size
        self.input_weight = nn.Parameter(torch.empty(directions, input_size, gates))
        self.state_weight = nn.Parameter(torch.empty(directions, hidden_size, gates))
        self.input_bias = nn.Parameter(torch.empty(directions * gates))
        self.state_bias = nn.Parameter(torch.empty(directions * gates))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)

    def _states(self, visits: torch.Tensor, active: list[int]) -> torch.Tensor:
        """Return the states (directions, visits, hidden_size) at each visit.

        Args:
            visits: (directions, visits, input_size), by step, the longest history first.
            active: histories that reach each step.
        """
        input_bias, state_bias = (
            bias.view(len(visits), 1, -1) for bias in (self.input_bias, self.state_bias)
        )
        gates = torch.baddbmm(input_bias, visits, self.input_weight)
        with torch.autocast(gates.device.type, enabled=False):
            states: torch.Tensor = Recurrence.apply(  # type: ignore[no-untyped-call]
                gates.float(), self.state_weight, state_bias, active
            )
        return states

    def forward(self, visits: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the states (readers, visits, 2 * hidden_size) at each visit.

        Args:
            visits: (visits, input_size), history after history.
            lengths: int64 (n), visits per history.
        """
        order = steps(lengths)
        ahead, back = order.ahead, order.back
        by_step = torch.stack([visits[torch.argsort(ahead)], visits[torch.argsort(back)]])
        by_direction = by_step.repeat_interleave(self.readers, dim=0)
        first, second = self._states(by_direction, order.active.tolist()).chunk(2)
        return torch.cat([first[:, ahead], second[:, back]], dim=2)


class Retain(nn.Module):
    """Visits to logits."""

    def __init__(self, settings: Settings, n_diseases: int, n_words: int) -> None:
        super().__init__()
        size = settings.embedding_size
        self.read_embedding = nn.EmbeddingBag(n_words, size, mode="sum")
        self.summed_embedding = nn.EmbeddingBag(n_words, size, mode="sum")
        self.readers = Readers(2, size + 3, settings.hidden_size)
        self.alpha = nn.Linear(2 * settings.hidden_size, 1)
        self.beta = nn.Linear(2 * settings.hidden_size, size)
        self.sex = nn.Embedding(3, settings.sex_size)
        self.rate = settings.dropout
        self.classifier = nn.Linear(size + settings.sex_size, n_diseases)

    def prepare(self, train: Examples) -> None:
        """Start the classifier at the labels' prevalence."""
        start_at_prevalence(self.classifier, train)

    def attention(
        self,
        codes: torch.Tensor,
        code_offsets: torch.Tensor,
        gap_days: torch.Tensor,
        lengths: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return alpha (visits), which sums to 1 in a history, and beta (visits, embedding_size).

        The arguments are those of `forward`.
        """
        # The gap itself counts in years: in days it would saturate the gates.
        days = gap_days.float()
        time = [days / DAYS_A_YEAR, 1 / days, 1 / torch.log(math.e + days)]
        visits = self.read_embedding(codes, code_offsets)
        visits = dropout(visits, self.rate, self.training)
        states = self.readers(torch.cat([visits, torch.stack(time, dim=1)], dim=1), lengths)
        history, place = places(lengths)
        scores = days.new_full((len(lengths), int(lengths.max())), -math.inf)
        scores = scores.index_put((history, place), self.alpha(states[0]).float().squeeze(1))
        alpha = scores.softmax(dim=1)[history, place]
        return alpha, torch.tanh(self.beta(states[1]))

    def forward(
        self,
        codes: torch.Tensor,
        code_offsets: torch.Tensor,
        gap_days: torch.Tensor,
        lengths: torch.Tensor,
        sex: torch.Tensor,
    ) -> torch.Tensor:
        """Return the logits (n, n_diseases).

        Args:
            codes: int64, the words of all visits, history after history.
            code_offsets: int64 (visits), where the diseases of each visit start.
            gap_days: int64 (visits), days since the visit before, at least 1.
            lengths: int64 (n), visits per history.
            sex: int64 (n).
        """
        alpha, beta = self.attention(codes, code_offsets, gap_days, lengths)
        weighted = alpha[:, None] * beta * self.summed_embedding(codes, code_offsets)
        context = torch.segment_reduce(weighted, "sum", lengths=lengths)
        features = torch.cat([context, self.sex(sex)], dim=1)
        logits: torch.Tensor = self.classifier(dropout(features, self.rate, self.training))
        return logits


_kind = Trained("retain", Settings, Retain, collate)
fit, predict, embed = _kind.fit, _kind.predict, _kind.embed
