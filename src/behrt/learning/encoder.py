"""The encoder of BEHRT (Li et al. 2020): BERT's layers on embeddings of words, age and visits.

If there are words of other concepts than diagnoses, there is one more embedding, of a word's type:
diagnosis, medication, procedure, test, measurement, or special token.

In the comments on shapes, R is the number of rows, L their length, H `hidden`, A `heads` and m the
number of words that are read out.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt.concepts import INPUTS
from behrt.errors import InputError
from behrt.learning.attention import (
    Sight,
    attention,
    bias_of,
    block_mask,
    both,
    can_compile,
    compiled,
    dense,
    in_forecast,
    of_patient,
    split_heads,
)
from behrt.learning.dropout import dropout
from behrt.learning.examples import word_types
from behrt.learning.run import Compute
from behrt.learning.time_scales import rotate
from behrt.learning.words import AGES
from behrt.logs import logger
from behrt.sequences.vocabulary import FIRST_DISEASE
from behrt.settings.behrt import Sizes

if TYPE_CHECKING:  # its import takes long, and only a GPU needs it
    from torch.nn.attention.flex_attention import BlockMask

INITIAL_SPREAD = 0.02
"""Standard deviation of the initial weights, as in BERT."""


def by_row(read: Tensor, rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Return the places that are read out, row by row, and where each of them is among these.

    >>> places, slots = by_row(torch.tensor([9, 1, 8]), rows=3, length=4)
    >>> places.tolist(), slots.tolist()
    ([[1, 0], [4, 4], [9, 8]], [4, 0, 5])

    Args:
        read: int64 (m), places in the rows laid end to end.
        rows, length: of the rows.

    Returns:
        int64 (R, W), the places in each row, and its first place as often as it takes to have W of
        them in every row; int64 (m), where each of `read` is among them, laid end to end.
    """
    row = read // length
    count = torch.bincount(row, minlength=rows)
    order = torch.argsort(row, stable=True)
    number = torch.empty_like(read)
    number[order] = (
        torch.arange(len(read), device=read.device) - (count.cumsum(0) - count)[row[order]]
    )
    width = int(count.max())
    places = torch.arange(rows, device=read.device)[:, None].repeat(1, width) * length
    places[row, number] = read
    return places, row * width + number


class Layer(nn.Module):
    """One layer of BERT's encoder, with normalisation after each sum."""

    def __init__(self, settings: Sizes) -> None:
        super().__init__()
        self.heads = settings.heads
        self.hidden_dropout = settings.hidden_dropout
        self.attention_dropout = settings.attention_dropout
        self.query_key_value = nn.Linear(settings.hidden, 3 * settings.hidden)
        self.attention_output = nn.Linear(settings.hidden, settings.hidden)
        self.attention_norm = nn.LayerNorm(settings.hidden, eps=1e-12)
        self.inner = nn.Linear(settings.hidden, settings.intermediate)
        self.outer = nn.Linear(settings.intermediate, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12)

    def forward(
        self,
        hidden: Tensor,
        mask: "Tensor | BlockMask",
        read: Tensor | None,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the layer's output (R, L, H), or (m, H) at the places `read` only.

        `mask` is as `Encoder.mask_of` returns it.
        """
        slots, turn = read, rotation
        if read is None or hidden.device.type == "cuda" or not isinstance(mask, Tensor):
            query, key, value = split_heads(self.query_key_value(hidden), 3, self.heads)
        else:  # Only words that are read out need a query. A GPU would have to wait for `by_row`.
            size = hidden.shape[-1]
            places, slots = by_row(read, *hidden.shape[:2])
            weight, offset = self.query_key_value.weight, self.query_key_value.bias
            asking = F.linear(hidden.flatten(0, 1)[places], weight[:size], offset[:size])
            answering = F.linear(hidden, weight[size:], offset[size:])
            (query,) = split_heads(asking, 1, self.heads)  # (R, A, W, H / A)
            key, value = split_heads(answering, 2, self.heads)
            mask = mask.flatten(0, 2)[places][:, None]  # (R, 1, W, L)
            if rotation is not None:
                cosine, sine = rotation
                turn = cosine.flatten(0, 2)[places][:, None], sine.flatten(0, 2)[places][:, None]
        if turn is not None and rotation is not None:
            query, key = rotate(query, turn), rotate(key, rotation)
        context = attention(query, key, value, mask, self.attention_dropout, self.training)
        if read is not None:
            context, hidden = context.flatten(0, 1)[slots], hidden.flatten(0, 1)[read]  # (m, H)
        attended = dropout(self.attention_output(context), self.hidden_dropout, self.training)
        hidden = self.attention_norm(hidden + attended)
        output = self.outer(F.gelu(self.inner(hidden)))  # H -> intermediate -> H
        output = dropout(output, self.hidden_dropout, self.training)
        normed: Tensor = self.norm(hidden + output)
        return normed


def accelerate(network: nn.Module, compute: Compute) -> None:
    """Let a GPU train a network faster: with attention in blocks, and with compiled layers.

    Raises:
        InputError: layers are to be compiled, and there is no compiler.
    """
    if not (compute.flex_attention or compute.compile):
        return
    able = can_compile()
    if compute.compile and not able:
        raise InputError(
            "config, gpu.compile",
            "it is true, but this machine has no C compiler, or torch has no Triton",
            "Set it to false, or load a compiler (such as gcc)",
        )
    if compute.flex_attention and not able:
        logger.info("no C compiler: attention reads a matrix of which word sees which")
    for module in network.modules():
        if isinstance(module, Encoder):
            module.in_blocks = compute.flex_attention and able
        elif isinstance(module, Layer) and compute.compile:
            module.forward = compiled(module.forward)  # type: ignore[method-assign]


class Encoder(nn.Module):
    """Embeddings and layers: from packed words to the hidden vectors of some of them."""

    positions: Tensor | None
    type_of: Tensor

    in_blocks = False
    """Whether attention is computed in blocks, which pays in training on a GPU."""

    def __init__(
        self, settings: Sizes, n_diseases: int, concepts: Mapping[str, int] | None = None
    ) -> None:
        """Draw the weights; `concepts` is the number of words of each other concept."""
        super().__init__()
        self.hidden_dropout = settings.hidden_dropout
        self.attention_dropout = settings.attention_dropout
        types = token_types(n_diseases, concepts or {})
        self.words = nn.Embedding(len(types), settings.hidden)
        self.types = nn.Embedding(1 + len(INPUTS), settings.hidden) if concepts else None
        self.register_buffer("type_of", torch.from_numpy(types), persistent=False)
        self.ages = nn.Embedding(AGES, settings.hidden) if settings.age else None
        self.segments = nn.Embedding(2, settings.hidden) if settings.segment else None
        # Not part of the state: it depends on no data, and lengths may differ between models.
        table = embedded_positions(settings.max_length, settings.hidden)
        self.register_buffer("positions", table if settings.position else None, persistent=False)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))

    def forward(
        self,
        tokens: Tensor,
        ages: Tensor,
        visits: Tensor,
        patients: Tensor,
        read: Tensor,
        causal: bool = False,
    ) -> Tensor:
        """Return (m, H) at the places `read`.

        Args:
            tokens, ages, visits, patients: int32 (R, L), as `packed_rows` returns them.
            read: int64 (m), places in the rows laid end to end.
            causal: whether a word attends to its own and earlier visits only, as `in_forecast`
                describes; else it attends to all words of its patient.
        """
        # A row holds several patients: a word attends to the words of its own patient only.
        sees = of_patient(patients)
        if causal:
            sees = both(sees, in_forecast(tokens, visits))
        return self.read_out(self.embedded(tokens, ages, visits), sees, read)

    def embedded(self, tokens: Tensor, ages: Tensor, visits: Tensor) -> Tensor:
        """Return the sum of the embeddings of each word (R, L, H)."""
        hidden: Tensor = self.words(tokens)
        if self.types is not None:
            hidden = hidden + self.types(self.type_of[tokens])
        if self.ages is not None:
            hidden = hidden + self.ages(ages)
        if self.segments is not None:
            hidden = hidden + self.segments(visits % 2)
        if self.positions is not None:
            hidden = hidden + F.embedding(visits, self.positions)
        return hidden

    def read_out(
        self,
        hidden: Tensor,
        sees: Sight,
        read: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the output (m, H) of the layers at the places `read`.

        Args:
            hidden: (R, L, H), the sum of the embeddings.
            sees: whether a word attends to a word.
            read: int64 (m), places in the rows laid end to end.
            rotation: as in `rotate`.
        """
        hidden = dropout(self.norm(hidden), self.hidden_dropout, self.training)
        device = hidden.device.type
        if torch.is_autocast_enabled(device):
            hidden = hidden.to(torch.get_autocast_dtype(device))
        if not self.layers:
            return hidden.flatten(0, 1)[read]
        mask = self.mask_of(sees, hidden)
        *first, last = self.layers
        for layer in first:
            hidden = layer(hidden, mask, None, rotation)  # (R, L, H)
        output: Tensor = last(hidden, mask, read, rotation)  # (m, H): only where it is read out
        return output

    def mask_of(self, sees: Sight, hidden: Tensor) -> "Tensor | BlockMask":
        """Return what layers need to know of a sight, for hidden vectors (R, L, H).

        It is a bias of the scores, (R, 1, L, L), or the blocks of `block_mask`.
        """
        rows, length, _ = hidden.shape
        if self.in_blocks:
            twice = self.training and self.attention_dropout > 0
            return block_mask(sees, length, hidden.device, twice)
        return bias_of(dense(sees, rows, length, hidden.device), hidden.dtype)


def token_types(n_diseases: int, concepts: Mapping[str, int]) -> np.ndarray:
    """Return int64 (tokens): 0 for special tokens, then the kinds of `behrt.concepts.INPUTS`.

    >>> token_types(2, {"tests": 1}).tolist()
    [0, 0, 0, 0, 0, 1, 1, 4]
    """
    special = np.zeros(FIRST_DISEASE, dtype=np.int64)
    return np.concatenate([special, 1 + word_types(n_diseases, concepts)])


def full_precision_linear(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Multiply in float32: bfloat16 logits would tie diseases that are to be ranked."""
    with torch.autocast(values.device.type, enabled=False):
        logits: Tensor = F.linear(values.float(), weight.float(), bias.float())
        return logits


def positions(count: int, hidden: int) -> Tensor:
    """Return float32 (count, hidden): the fixed sines and cosines of Vaswani et al. 2017."""
    rates = torch.exp(torch.arange(0, hidden, 2) * (-math.log(10_000.0) / hidden))
    angles = torch.arange(count)[:, None] * rates
    table: Tensor = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return table


def embedded_positions(count: int, hidden: int) -> Tensor:
    """Return `positions` at the size that learned embeddings start with.

    The sines have a root mean square of 1/√2, much larger than the initial embeddings. (Vaswani et
    al. multiply the learned embeddings instead.)
    """
    return positions(count, hidden) * (INITIAL_SPREAD * math.sqrt(2))


def initialise(module: nn.Module) -> None:
    """Draw weights as BERT does: normal around 0, biases 0. Ages start as the sines of positions.

    With one random row per month of life, two visits a month apart would look unrelated until both
    rows were trained, which takes more patients than most data have. Sines make near ages alike
    from the start, so that attention can use the time between visits; the rows are then trained.
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_SPREAD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, Encoder) and module.ages is not None:
        with torch.no_grad():
            module.ages.weight.copy_(embedded_positions(*module.ages.weight.shape))
