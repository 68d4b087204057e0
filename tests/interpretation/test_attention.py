"""The attention that is shown is the one that the forward pass uses."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from behrt.interpretation.attention import attention_of
from behrt.learning.masked_language import batch_of
from behrt.learning.words import Words
from behrt.models.behrt import Behrt


def test_weights_rebuild_what_each_layer_made_of_them(classifier: Behrt, words: Words) -> None:
    """Weights times values is what the forward pass hands on, in every layer."""
    values: list[Tensor] = []
    contexts: list[Tensor] = []

    def keep_values(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values.append(layer.query_key_value(inputs[0]))

    def keep_context(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        contexts.append(inputs[0])

    layers: Any = classifier.encoder.layers
    for layer in layers:
        layer.register_forward_pre_hook(keep_values)
        layer.attention_output.register_forward_pre_hook(keep_context)
    n = len(words.tokens)
    with torch.no_grad():
        classifier(**batch_of(words, np.arange(n)))
    found = attention_of(classifier, words)
    assert found.shape == (3, 4, n, n)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    for weights, made, context in zip(found, values, contexts, strict=False):
        value = made[0, :n].unflatten(-1, (3, 4, 4))[:, 2].transpose(0, 1)
        joined = (torch.from_numpy(weights) @ value).transpose(0, 1).flatten(1)
        expected = context.reshape(-1, 16)[:n]
        np.testing.assert_allclose(joined.numpy(), expected.numpy(), atol=1e-5)


def test_weights_are_those_of_an_independent_layer(classifier: Behrt, words: Words) -> None:
    """The first layer against torch's own multi-head attention."""
    first: Any = classifier.encoder.layers[0]
    seen: list[Tensor] = []
    first.register_forward_pre_hook(lambda layer, arguments: seen.append(arguments[0]))
    found = attention_of(classifier, words)[0]
    n = len(words.tokens)
    hidden = seen[0][:, :n].transpose(0, 1)
    _, expected = F.multi_head_attention_forward(
        hidden, hidden, hidden, 16, 4,
        first.query_key_value.weight, first.query_key_value.bias, None, None, False, 0.0,
        first.attention_output.weight, first.attention_output.bias,
        training=False, average_attn_weights=False,
    )  # fmt: skip
    assert expected is not None
    np.testing.assert_allclose(found, expected[0].detach().numpy(), atol=1e-6)
    assert found.max() > 0.5  # the network looks sharply, so the comparison means something


def test_hooks_are_gone_and_predictions_as_before(classifier: Behrt, words: Words) -> None:
    batch = batch_of(words, np.zeros(1, dtype=np.int64))
    with torch.no_grad():
        before = classifier(**batch)
        attention_of(classifier, words)
        assert torch.equal(classifier(**batch), before)
    assert not any(layer._forward_pre_hooks for layer in classifier.encoder.layers)
