"""DeepCare: the cell against torch's LSTM, time and pooling by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.run import read_settings
from behrt.models.deepcare import DeepCare, Settings, TimedLSTM, collate, pooled


def test_without_time_the_cell_is_an_lstm() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([3, 6, 1, 6])
    visits, gaps = torch.randn(16, 4), torch.randint(1, 900, (16,))
    ours = TimedLSTM(4, 5)
    nn.init.zeros_(ours.time.weight)
    theirs = nn.LSTM(4, 5)
    # torch's gates: input, forget, cell, output. Ours: input, forget, output, cell.
    turn = torch.cat([torch.arange(10), torch.arange(15, 20), torch.arange(10, 15)])
    with torch.no_grad():
        theirs.weight_ih_l0[turn] = ours.input.weight
        theirs.weight_hh_l0[turn] = ours.state.weight
        theirs.bias_ih_l0[turn] = ours.input.bias
        theirs.bias_hh_l0.zero_()
    expected = torch.cat([theirs(history)[0] for history in visits.split(lengths.tolist())])
    torch.testing.assert_close(ours(visits, gaps, lengths), expected, atol=1e-5, rtol=1e-5)


def test_time_moves_the_forget_gate_alone() -> None:
    """With all else at 0, the cell forgets by σ(days/60 + (days/180)² + (days/365)³)."""
    cell = TimedLSTM(1, 1)
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(cell.time.weight)
    with torch.no_grad():
        cell.input.bias[3] = 0.5
    state = cell(torch.zeros(2, 1), torch.tensor([1, 30]), torch.tensor([2]))
    entered = 0.5 * math.tanh(0.5)
    gate = 30 / 60 + (30 / 180) ** 2 + (30 / 365) ** 3
    kept = entered / (1 + math.exp(-gate)) + entered
    assert state[:, 0].tolist() == pytest.approx([0.5 * math.tanh(c) for c in (entered, kept)])
    longest = cell(torch.zeros(2, 1), torch.tensor([1, 730]), torch.tensor([2]))
    assert torch.equal(cell(torch.zeros(2, 1), torch.tensor([1, 5000]), torch.tensor([2])), longest)


def test_pooling_by_hand() -> None:
    states = torch.tensor([[1.0], [2.0], [4.0], [7.0]])
    months = torch.tensor([30.0, 20.0, 0.0, 0.0])
    weight = [1 / (1 + math.log1p(m)) for m in (30, 20)]
    averages = pooled(states, months, torch.tensor([3, 1]))
    expected = [
        [
            4.0,
            (2 * weight[1] + 4) / (weight[1] + 1),
            (weight[0] + 2 * weight[1] + 4) / (sum(weight) + 1),
        ],
        [7.0] * 3,
    ]
    np.testing.assert_allclose(averages, expected, rtol=1e-5)


def test_months_are_counted_back_from_the_last_visit(
    build_examples: Callable[..., Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(embedding_size=4, hidden_size=4, inner_size=4, sex_size=2)
    examples = build_examples(
        [(1, [(0, [1]), (31, [2]), (396, [3])], [5]), (2, [(9, [1]), (70, [4])], [5])]
    )
    seen = []

    def look(states: torch.Tensor, months: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        seen.append(months * 365.25 / 12)
        return pooled(states, months, lengths)

    monkeypatch.setattr("behrt.models.deepcare.pooled", look)
    DeepCare(settings, 12, 12)(**collate(settings, examples, np.arange(2), None))
    np.testing.assert_allclose(seen[0], [396, 365, 0, 61, 0], atol=1e-3)


def test_settings_are_strict() -> None:
    for wrong in ({"inner_size": 0}, {"hidden_size": "8"}, {"dropout": -0.1}):
        with pytest.raises(InputError):
            read_settings(Settings, wrong)
