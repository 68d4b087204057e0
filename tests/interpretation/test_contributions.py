"""Contributions add up, and fall where they must."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from behrt.interpretation.diagnoses import Diagnoses, compare
from behrt.interpretation.integrated_gradients import contributions
from behrt.learning.masked_language import batch_of
from behrt.learning.words import Words
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import FIRST_DISEASE, MASK


def log_odds(model: Behrt, words: Words, place: int, disease: int, exclusive: bool) -> float:
    with torch.no_grad():
        logits = model(**batch_of(words, np.array([place])))[0].double()
    if exclusive:
        return float(torch.logit(logits.softmax(-1)[disease]))
    return float(logits[disease])


def hidden(words: Words) -> Words:
    return replace(words, tokens=np.where(words.tokens >= FIRST_DISEASE, MASK, words.tokens))


@pytest.fixture
def smooth(classifier: Behrt) -> Behrt:
    """The same network, less sharp: the rule of 64 points is then all but exact."""
    with torch.no_grad():
        for layer in classifier.encoder.layers:
            layer.query_key_value.weight.div_(3)  # type: ignore[union-attr, operator]
        classifier.encoder.words.weight.mul_(3)
    return classifier


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("disease", [0, 5])
def test_contributions_sum_to_the_change(
    smooth: Behrt, words: Words, disease: int, exclusive: bool
) -> None:
    """Completeness (Sundararajan et al. 2017, proposition 1)."""
    found = contributions(smooth, words, 0, disease, exclusive)
    change = log_odds(smooth, words, 0, disease, exclusive) - log_odds(
        smooth, hidden(words), 0, disease, exclusive
    )
    assert np.abs(found).sum() > 0.1
    assert found.sum() == pytest.approx(change, abs=0.02 * np.abs(found).sum())
    assert not found[words.tokens < FIRST_DISEASE].any()


def test_a_linear_model_is_attributed_exactly(classifier: Behrt, words: Words) -> None:
    """Where the log-odds is a sum over words, each word's contribution is its own change."""
    direction = torch.linspace(-1, 1, 16)

    class Linear(torch.nn.Module):
        encoder = classifier.encoder

        def forward(self, tokens: torch.Tensor, **batch: torch.Tensor) -> torch.Tensor:
            return (self.encoder.words(tokens) @ direction).sum(1, keepdim=True)

    found = contributions(Linear(), words, 0, 0, exclusive=False)  # type: ignore[arg-type]
    with torch.no_grad():
        each = classifier.encoder.words.weight.double() @ direction.double()
    expected = each[words.tokens] - each[hidden(words).tokens]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_diagnoses_are_compared_when_hidden_in_turn(pretrained: Behrt, words: Words) -> None:
    compared = compare(pretrained, words)
    assert compared.diseases.tolist() == [0, 3, 4, 3, 7, 8, 0]
    assert compared.visits.tolist() == [0, 0, 1, 2, 2, 2, 3]
    assert compared.attention.shape == (4, 7, 7)
    assert not np.diagonal(compared.contributions).any()
    tokens = words.tokens.copy()
    tokens[4] = MASK
    third = contributions(pretrained, replace(words, tokens=tokens), 4, 4, exclusive=True)
    places = np.flatnonzero(words.tokens >= FIRST_DISEASE)
    np.testing.assert_array_equal(compared.contributions[2], third[places])
    assert (third[places] != 0).sum() == 6


def test_who_is_of_interest_and_how_both_agree() -> None:
    attention = np.array([[[0.5, 0.4, 0.1], [0.9, 0.05, 0.02], [0.1, 0.3, 0.6]]])
    contributed = -(attention[0] ** 2)
    np.fill_diagonal(contributed, 0)
    visits = np.array([0, 0, 1])
    compared = Diagnoses(np.arange(3), np.zeros(3), visits, attention, contributed)
    assert compared.of_interest() == 2  # 1 looks more, but at its own visit
    assert compared.agreement() == pytest.approx(1)
    assert compared.mean_attention()[1, 1] == 0
    assert compared.attention[0, 1, 1] == 0.05
