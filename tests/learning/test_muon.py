"""Muon against its description and against torch's own, which computes in bfloat16."""

import pytest
import torch
from torch import nn

from behrt.learning.engine import _optimisers
from behrt.learning.muon import Muon, orthogonalised
from behrt.settings.training import Optimisation

SHAPES = [(24, 24), (72, 24), (24, 48), (1, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_become_about_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.linspace(1, 0.1, min(shape))
    found = left.T @ orthogonalised(left * values @ right) @ right.T
    assert found.diagonal().min() > 0.65
    assert found.diagonal().max() < 1.25
    torch.testing.assert_close(found, found.diagonal().diag(), rtol=0, atol=1e-4)


def test_products_in_bfloat16_are_near_those_in_float32() -> None:
    torch.manual_seed(0)
    gradient = torch.randn(24, 72)
    exact, found = orthogonalised(gradient), orthogonalised(gradient, torch.bfloat16)
    assert found.dtype == torch.float32
    assert (found - exact).norm() < 0.03 * exact.norm()


def test_no_gradient_gives_no_step() -> None:
    assert orthogonalised(torch.zeros(3, 5)).abs().max() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_steps_are_those_of_torch(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = nn.Parameter(torch.randn(shape))
    theirs = nn.Parameter(ours.detach().clone())
    start = ours.detach().clone()
    own = Muon([ours], 0.01, 0.1)
    other = torch.optim.Muon(
        [theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw", momentum=0.95
    )
    for _ in range(4):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        own.step()
        other.step()
    moved, expected = ours - start, theirs - start
    assert (moved - expected).norm() < 0.03 * expected.norm()


def test_only_the_matrices_inside_are_orthogonalised() -> None:
    network = nn.Module()
    network.words, network.inner = nn.Embedding(7, 4), nn.Linear(4, 4)
    network.classifier = nn.Linear(4, 7)
    found = _optimisers(
        network, Optimisation(epochs=1, batch_size=1, learning_rate=0.1, optimiser="muon")
    )
    adam, muon = ([one for group in o.param_groups for one in group["params"]] for o in found)
    assert [id(one) for one in muon] == [id(network.inner.weight)]
    assert len(adam) + len(muon) == len(list(network.parameters()))
