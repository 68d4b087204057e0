"""Batches of visits for recurrent networks: history after history, or step by step."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from behrt.learning.examples import Examples
from behrt.ragged import ragged_ranges, ragged_take

DAYS_A_YEAR = 365.25


def visit_batch(examples: Examples, rows: np.ndarray, maximum_visits: int) -> dict[str, Tensor]:
    """Return the latest visits of some rows, history after history, without randomness.

    The first visit of a history counts as one day after a previous one.

    Returns:
        codes: int64, the words of all visits.
        code_offsets: int64 (visits), where the words of each visit start.
        gap_days: int64 (visits), days since the previous visit, at least 1.
        lengths: int64 (n), visits per history.
        sex: int64 (n).
    """
    starts, ends = examples.visit_offsets[rows], examples.visit_offsets[rows + 1]
    lengths = np.minimum(ends - starts, maximum_visits)
    visits, _ = ragged_ranges(ends - lengths, lengths)
    before = np.maximum(visits - 1, np.repeat(starts, lengths))
    gaps = examples.visit_day[visits] - examples.visit_day[before]
    positions, code_offsets = ragged_take(examples.code_offsets, visits)
    return {
        "codes": torch.from_numpy(examples.codes[positions].astype(np.int64)),
        "code_offsets": torch.from_numpy(code_offsets[:-1]),
        "gap_days": torch.from_numpy(np.maximum(gaps, 1).astype(np.int64)),
        "lengths": torch.from_numpy(lengths),
        "sex": torch.from_numpy(examples.sex[rows].astype(np.int64)),
    }


def places(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the history of each visit, and its place in it; both int64 (visits)."""
    starts = torch.cumsum(lengths, dim=0) - lengths
    history = torch.repeat_interleave(lengths)
    return history, torch.arange(len(history), device=lengths.device) - starts[history]


@dataclass(frozen=True)
class Steps:
    """The place of each visit if all first visits come first, then all second visits, and so on.

    Within a step, the longest history comes first, so that no step needs padding (the layout of
    `torch.nn.utils.rnn.PackedSequence`).

    Attributes:
        ahead: int64 (visits), the place of each visit, from the first visit to the last.
        back: int64 (visits), the same from the last visit to the first.
        active: int64 (steps), the number of histories with that many visits.
    """

    ahead: Tensor
    back: Tensor
    active: Tensor


def steps(lengths: Tensor) -> Steps:
    """Return the steps of histories of some lengths (int64, n; each at least 1)."""
    history, place = places(lengths)
    rank = torch.argsort(torch.argsort(lengths, descending=True, stable=True))
    active = torch.bincount(place)
    starts = torch.cumsum(active, dim=0) - active
    ahead = starts[place] + rank[history]
    back = starts[lengths[history] - 1 - place] + rank[history]
    return Steps(ahead, back, active)
