"""The encoder of BEHRT (Li et al. 2020): BERT's layers on embeddings of diseases, age and visits.

In the comments on shapes, R is the number of rows, L their length, H `hidden`, A `heads` and m the
number of words that are read out.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt.learning.dropout import dropout
from behrt.learning.time_scales import rotate
from behrt.learning.words import AGES
from behrt.sequences.vocabulary import FIRST_DISEASE, MASK
from behrt.settings.behrt import Sizes

INITIAL_SPREAD = 0.02
"""Standard deviation of the initial weights, as in BERT."""


def attention_weights(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    """Return the attention weights (Vaswani et al. 2017, section 3.2.1).

    Args:
        query, key: (R, A, L, H / A).
        bias: (R, 1, L, L), added to the scores: 0, or very low between different patients.

    Returns:
        (R, A, L, L): the weight that each word (row) gives to each word (column); rows sum to 1.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias
    weights: Tensor = scores.softmax(-1)
    return weights


def split_heads(query_key_value: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, (R, A, L, H / A) each, of (R, L, 3 H)."""
    rows, length, width = query_key_value.shape
    parts = query_key_value.view(rows, length, 3, heads, width // (3 * heads))
    query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
    return query, key, value


def attention(
    query_key_value: Tensor,
    bias: Tensor,
    heads: int,
    rate: float,
    training: bool,
    rotation: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return scaled dot-product attention (R, L, H) of (R, L, 3 H).

    Args:
        query_key_value: (R, L, 3 H), each of the three by head.
        bias: (R, 1, L, L), as in `attention_weights`.
        heads: the number of heads.
        rate: dropout of the attention weights.
        training: whether dropout is applied.
        rotation: of queries and keys, as in `rotate`; None for none.
    """
    query, key, value = split_heads(query_key_value, heads)  # (R, A, L, H / A) each
    if rotation is not None:
        query, key = rotate(query, rotation), rotate(key, rotation)
    if query_key_value.device.type == "cuda":
        context = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=rate if training else 0.0
        )
    else:  # faster than the fused kernels at these head sizes
        context = dropout(attention_weights(query, key, bias), rate, training) @ value
    joined: Tensor = context.transpose(1, 2).flatten(2)  # (R, A, L, H / A) -> (R, L, H)
    return joined


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
        bias: Tensor,
        read: Tensor | None,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the layer's output (R, L, H), or (m, H) at the places `read` only."""
        query_key_value = self.query_key_value(hidden)  # (R, L, 3 H)
        context = attention(  # (R, L, H)
            query_key_value, bias, self.heads, self.attention_dropout, self.training, rotation
        )
        if read is not None:
            context, hidden = context.flatten(0, 1)[read], hidden.flatten(0, 1)[read]  # (m, H)
        attended = dropout(self.attention_output(context), self.hidden_dropout, self.training)
        hidden = self.attention_norm(hidden + attended)
        output = self.outer(F.gelu(self.inner(hidden)))  # H -> intermediate -> H
        output = dropout(output, self.hidden_dropout, self.training)
        normed: Tensor = self.norm(hidden + output)
        return normed


class Encoder(nn.Module):
    """Embeddings and layers: from packed words to the hidden vectors of some of them."""

    positions: Tensor | None

    def __init__(self, settings: Sizes, n_diseases: int) -> None:
        super().__init__()
        self.hidden_dropout = settings.hidden_dropout
        self.words = nn.Embedding(FIRST_DISEASE + n_diseases, settings.hidden)
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
            causal: whether a word attends to its own and earlier visits only, as `not_before`
                describes; else it attends to all words of its patient.
        """
        # A row holds several patients: a word attends to the words of its own patient only.
        apart = patients[:, None, :, None] != patients[:, None, None, :]  # (R, 1, L, L)
        if causal:
            apart = apart | not_before(tokens, visits)
        return self.read_out(self.embedded(tokens, ages, visits), apart, read)

    def embedded(self, tokens: Tensor, ages: Tensor, visits: Tensor) -> Tensor:
        """Return the sum of the embeddings of each word (R, L, H)."""
        hidden: Tensor = self.words(tokens)
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
        apart: Tensor,
        read: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the output (m, H) of the layers at the places `read`.

        Args:
            hidden: (R, L, H), the sum of the embeddings.
            apart: bool (R, 1, L, L), whether a word (row) must not attend to a word (column).
            read: int64 (m), places in the rows laid end to end.
            rotation: as in `rotate`.
        """
        hidden = dropout(self.norm(hidden), self.hidden_dropout, self.training)
        device = hidden.device.type
        if torch.is_autocast_enabled(device):
            hidden = hidden.to(torch.get_autocast_dtype(device))
        if not self.layers:
            return hidden.flatten(0, 1)[read]
        bias = torch.zeros(apart.shape, dtype=hidden.dtype, device=hidden.device)
        bias.masked_fill_(apart, -1e4)

        *first, last = self.layers
        for layer in first:
            hidden = layer(hidden, bias, None, rotation)  # (R, L, H)
        output: Tensor = last(hidden, bias, read, rotation)  # (m, H): only where it is read out
        return output


def not_before(tokens: Tensor, visits: Tensor) -> Tensor:
    """Return bool (R, 1, L, L): whether a word (row) must not see another (column) in forecasting.

    A word sees the words of its own and of earlier visits. MASK stands for a whole visit: it sees
    earlier visits and itself only, and no other word sees it.
    """
    masked = (tokens == MASK)[:, None]  # (R, 1, L)
    horizon = visits[:, None] - masked.to(visits.dtype)
    hidden = (horizon[..., None] < visits[:, None, None]) | masked[:, :, None]
    itself = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
    unseen: Tensor = hidden & ~itself
    return unseen


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
