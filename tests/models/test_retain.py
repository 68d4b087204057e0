"""RETAIN: inputs by hand, the readers against torch's GRU, attention that adds up."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.run import read_settings
from behrt.models.retain import Readers, Recurrence, Retain, Settings, collate

Build = Callable[..., Examples]
SMALL = Settings(embedding_size=8, hidden_size=6, sex_size=2, dropout=0.0)


def batch(settings: Settings, examples: Examples) -> dict[str, torch.Tensor]:
    return collate(settings, examples, np.arange(len(examples)), None)


def test_inputs_by_hand(build_examples: Build) -> None:
    examples = build_examples(
        [(2, [(100, [3, 5]), (100, [1]), (520, [0])], []), (1, [(7, [4])], [])]
    )
    inputs = {name: tensor.tolist() for name, tensor in batch(SMALL, examples).items()}
    assert inputs == {
        "codes": [3, 5, 1, 0, 4],
        "code_offsets": [0, 2, 3, 4],
        "gap_days": [1, 1, 420, 1],
        "lengths": [3, 1],
        "sex": [2, 1],
    }


def test_the_latest_visits_are_kept_with_the_gap_before_them(build_examples: Build) -> None:
    examples = build_examples([(1, [(0, [3]), (50, [1]), (520, [0])], []), (1, [(7, [4])], [])])
    inputs = batch(Settings(maximum_visits=2), examples)
    assert inputs["codes"].tolist() == [1, 0, 4]
    assert inputs["gap_days"].tolist() == [50, 470, 1]
    assert inputs["lengths"].tolist() == [2, 1]


def test_readers_equal_a_bidirectional_gru_on_each_history() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([3, 7, 1, 7, 2])
    visits = torch.randn(int(lengths.sum()), 5)
    readers = Readers(2, 5, 6)
    states = readers(visits, lengths)
    assert states.shape == (2, 20, 12)
    input_biases, state_biases = readers.input_bias.chunk(4), readers.state_bias.chunk(4)
    for reader in range(2):
        gru = nn.GRU(5, 6, bidirectional=True)
        for suffix, direction in (("", reader), ("_reverse", reader + 2)):
            for name, value in (
                ("weight_ih", readers.input_weight[direction].T),
                ("weight_hh", readers.state_weight[direction].T),
                ("bias_ih", input_biases[direction]),
                ("bias_hh", state_biases[direction]),
            ):
                getattr(gru, f"{name}_l0{suffix}").data = value.detach().clone()
        expected = torch.cat([gru(history)[0] for history in visits.split(lengths.tolist())])
        torch.testing.assert_close(states[reader], expected, atol=1e-5, rtol=1e-5)


def test_gradients_of_the_recurrence_are_those_of_its_states() -> None:
    torch.manual_seed(0)
    active = [3, 2, 2, 1]
    gates, weight, bias = (
        torch.randn(size, dtype=torch.float64, requires_grad=True)
        for size in ((4, sum(active), 6), (4, 2, 6), (4, 1, 6))
    )
    assert torch.autograd.gradcheck(
        lambda *given: Recurrence.apply(*given, active), (gates, weight, bias)
    )


def test_attention_sums_to_one_in_each_history(
    build_examples: Build, draw_patients: Callable[..., list]
) -> None:
    examples = build_examples(draw_patients(30, 1))
    model = Retain(SMALL, examples.n_diseases, examples.n_words)
    inputs = batch(SMALL, examples)
    lengths = inputs["lengths"].tolist()
    del inputs["sex"]
    with torch.no_grad():
        alpha, beta = model.attention(**inputs)
    assert len(alpha) == len(beta) == sum(lengths)
    sums = torch.stack([part.sum() for part in alpha.split(lengths)])
    torch.testing.assert_close(sums, torch.ones(30))
    assert (alpha > 0).all()
    assert (beta.abs() < 1).all()


def test_context_by_hand(build_examples: Build) -> None:
    """Logits are the classifier of sum(alpha * beta * v), with v a sum of embeddings, and sex."""
    examples = build_examples([(2, [(0, [1, 2]), (40, [3])], []), (1, [(3, [4])], [])])
    torch.manual_seed(0)
    model = Retain(SMALL, examples.n_diseases, examples.n_words)
    inputs = batch(SMALL, examples)
    alpha, beta = model.attention(**{n: t for n, t in inputs.items() if n != "sex"})
    table = model.summed_embedding.weight
    context = alpha[0] * beta[0] * (table[1] + table[2]) + alpha[1] * beta[1] * table[3]
    expected = model.classifier(torch.cat([context, model.sex.weight[2]]))
    torch.testing.assert_close(model(**inputs)[0], expected)


def test_time_has_three_forms(build_examples: Build) -> None:
    examples = build_examples([(1, [(0, [1]), (731, [2])], [])])
    model = Retain(SMALL, examples.n_diseases, examples.n_words)
    seen = []
    model.readers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(**batch(SMALL, examples))
    expected = [
        [1 / 365.25, 1.0, 1 / math.log(math.e + 1)],
        [731 / 365.25, 1 / 731, 1 / math.log(math.e + 731)],
    ]
    np.testing.assert_allclose(seen[0][:, -3:].detach(), expected, rtol=1e-5)


def test_settings_are_strict() -> None:
    for wrong in ({"hidden_size": 0}, {"maximum_visits": 0}, {"hidden_size": "128"}):
        with pytest.raises(InputError):
            read_settings(Settings, wrong)
