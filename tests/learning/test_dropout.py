"""Dropout: the right share, the right scale, the same draw forwards and backwards."""

import pytest
import torch

from behrt.learning.dropout import dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.1, 0.22, 0.5])
def test_share_and_scale(dtype: torch.dtype, rate: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(999, 1001, dtype=dtype)
    dropped = dropout(values, rate, training=True)
    kept = dropped != 0
    assert dropped.dtype == dtype
    assert 1 - kept.double().mean().item() == pytest.approx(rate, abs=0.003)
    assert dropped[kept].unique().item() == pytest.approx(1 / (1 - rate), rel=0.005)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = dropout(torch.ones(1_000_000), 0.5, training=True) != 0
    for step in range(1, 6):
        assert (kept[step:] == kept[:-step]).double().mean().item() == pytest.approx(0.5, abs=0.003)


def test_the_gradient_passes_where_the_value_passed() -> None:
    values = torch.randn(7, 13, requires_grad=True)
    dropped = dropout(values, 0.3, training=True)
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values, dropped)


def test_the_seed_decides() -> None:
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropout(torch.ones(101), 0.5, training=True))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_nothing_happens_without_training_or_rate() -> None:
    values = torch.randn(5)
    state = torch.get_rng_state()
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0, training=True) is values
    assert torch.equal(torch.get_rng_state(), state)
