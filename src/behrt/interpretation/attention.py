"""The attention of every layer and head, as the forward pass computed it."""

import numpy as np
import torch
from torch import Tensor, nn

from behrt.learning.attention import attention_weights, split_heads
from behrt.learning.encoder import Layer
from behrt.learning.masked_language import batch_of
from behrt.learning.words import Words
from behrt.models.behrt import Behrt


def attention_of(model: Behrt, words: Words) -> np.ndarray:
    """Return the attention weights between the words of one patient.

    The inputs of a layer are recorded just before it runs, so the weights are those that it uses.
    The weights of the last layer are computed for all words; its forward pass computes only those
    that are read out.

    Args:
        model: on the CPU; its mode does not matter, as nothing is dropped.
        words: of one patient (n words).

    Returns:
        float32 (layers, heads, n, n): from word (row) to word (column); rows sum to 1.
    """
    caught: list[Tensor] = []

    def catch(layer: nn.Module, arguments: tuple[Tensor, Tensor, Tensor | None]) -> None:
        assert isinstance(layer, Layer)
        hidden, bias, *_ = arguments
        query, key, _ = split_heads(layer.query_key_value(hidden), 3, layer.heads)
        caught.append(attention_weights(query, key, bias))

    hooks = [layer.register_forward_pre_hook(catch) for layer in model.encoder.layers]
    try:
        with torch.no_grad():
            model(**batch_of(words, np.zeros(1, dtype=np.int64)))
    finally:
        for hook in hooks:
            hook.remove()
    (length,) = np.diff(words.offsets)
    weights: np.ndarray = torch.cat(caught)[..., :length, :length].numpy()
    return weights
