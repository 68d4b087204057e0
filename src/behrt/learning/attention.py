"""Attention between words of which some do not see each other, such as those of other patients.

Which word sees which is stated once (`Sight`). A CPU reads it as a dense bias of the scores, and so
does a GPU by default in predictions. In training, a GPU computes it from the numbers of patients
and visits where it is needed (`torch.nn.attention.flex_attention`), so that no tensor grows with
the square of the length.

In the comments on shapes, R is the number of rows, L their length, H `hidden` and A `heads`.
"""

import functools
import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from behrt.learning.dropout import dropout
from behrt.sequences.vocabulary import MASK

if TYPE_CHECKING:  # its import takes long, and only a GPU needs it
    from torch.nn.attention.flex_attention import BlockMask

Sight = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Whether a word sees another: bool, from the row, the head, and the places of the two in the row.

The arguments are integers of shapes that broadcast. This is a `mask_mod` of `flex_attention`.
"""

# --- Which word sees which --------------------------------------------------------------------


def of_patient(patients: Tensor) -> Sight:
    """Return the sight of the words of the same patient (int32, R × L)."""

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return patients[row, query] == patients[row, key]

    return sees


def until_visit(visits: Tensor) -> Sight:
    """Return the sight of the words of the same and of earlier visits (int32, R × L)."""

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return visits[row, query] >= visits[row, key]

    return sees


def in_forecast(tokens: Tensor, visits: Tensor) -> Sight:
    """Return the sight of a word in forecasting: the words of its own and of earlier visits.

    MASK stands for a whole visit: it sees earlier visits and itself only, and no other word sees
    it. Both arguments are int32 (R, L).
    """
    masked = tokens == MASK
    horizon = visits - masked.to(visits.dtype)

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        before = (horizon[row, query] >= visits[row, key]) & ~masked[row, key]
        return before | (query == key)

    return sees


def both(first: Sight, second: Sight) -> Sight:
    """Return the sight of what both let a word see."""

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return first(row, head, query, key) & second(row, head, query, key)

    return sees


# --- As a dense bias --------------------------------------------------------------------------


def dense(sees: Sight, rows: int, length: int, device: torch.device) -> Tensor:
    """Return bool (R, 1, L, L): whether each word (row) sees each word (column)."""
    row, place = torch.arange(rows, device=device), torch.arange(length, device=device)
    return sees(row[:, None, None], row[:1], place[:, None], place)[:, None]


def bias_of(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores: 0, or very low where a word is not seen."""
    bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return bias.masked_fill_(~seen, -1e4)


def attention_weights(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    """Return the attention weights (Vaswani et al. 2017, section 3.2.1).

    Args:
        query, key: (R, A, L, H / A).
        bias: (R, 1, L, L), as `bias_of` returns it.

    Returns:
        (R, A, L, L): the weight that each word (row) gives to each word (column); rows sum to 1.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias
    weights: Tensor = scores.softmax(-1)
    return weights


def split_heads(values: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Return N parts, such as queries, keys and values, (R, A, L, H / A) each, of (R, L, N H)."""
    rows, length, width = values.shape
    by_head = values.view(rows, length, parts, heads, width // (parts * heads))
    return by_head.permute(2, 0, 3, 1, 4).unbind(0)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: "Tensor | BlockMask",
    rate: float,
    training: bool,
) -> Tensor:
    """Return scaled dot-product attention (R, W, H).

    Args:
        query: (R, A, W, H / A), of all words or of some.
        key, value: (R, A, L, H / A).
        mask: (R, 1, W, L), as in `attention_weights`, or what `block_mask` returned.
        rate: dropout of the attention weights.
        training: whether dropout is applied.
    """
    if not isinstance(mask, Tensor):
        context = in_blocks(query, key, value, mask, rate if training else 0.0)
    elif query.device.type == "cuda":
        context = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=rate if training else 0.0
        )
    else:  # faster than the fused kernels at these head sizes
        context = dropout(attention_weights(query, key, mask), rate, training) @ value
    joined: Tensor = context.transpose(1, 2).flatten(2)  # (R, A, W, H / A) -> (R, W, H)
    return joined


# --- In blocks, on a GPU ----------------------------------------------------------------------


def can_compile() -> bool:
    """Return whether this machine can compile for its GPU, as `in_blocks` needs it."""
    from torch.utils._triton import has_triton

    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    return compiler is not None and bool(has_triton())


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function that is compiled when it is called, for tensors of any size."""
    # It is compiled again for one row, for one block, and for an evaluation.
    torch._dynamo.config.recompile_limit = 64
    return torch.compile(function, dynamic=True)


@functools.cache
def _flex_attention(device: str) -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    if device == "cpu":
        return flex_attention
    return compiled(flex_attention)


def block_mask(sees: Sight, length: int, device: torch.device, twice: bool) -> "BlockMask":
    """Return what `in_blocks` needs to know of a sight: any word may see some words of any block.

    Few blocks could be left out: a row is about as long as its longest history.

    Args:
        sees: the sight.
        length: L.
        device: of the tensors that `sees` reads.
        twice: whether each key is there twice, as dropout needs it.
    """
    from torch.nn.attention.flex_attention import BlockMask

    def sees_either(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return sees(row, head, query, key >> 1)

    keys = 2 * length if twice else length
    of_queries, of_keys = (-(-size // _BLOCK) for size in (length, keys))
    every = torch.arange(of_keys, dtype=torch.int32, device=device).repeat(1, 1, of_queries, 1)
    number = torch.full((1, 1, of_queries), of_keys, dtype=torch.int32, device=device)
    return BlockMask.from_kv_blocks(
        number,
        every,
        BLOCK_SIZE=_BLOCK,
        mask_mod=sees_either if twice else sees,
        seq_lengths=(length, keys),
    )


def in_blocks(query: Tensor, key: Tensor, value: Tensor, mask: "BlockMask", rate: float) -> Tensor:
    """Return scaled dot-product attention (R, A, L, H / A) without a dense mask.

    `flex_attention` has no dropout. So each key is there twice, the second time with the value 0:
    the first counts where the weight is kept, the second where it is dropped. Scores of both are
    equal, so that the softmax is as without dropout, and only the kept weights reach the result.

    Args:
        query, key, value: (R, A, L, H / A).
        mask: what `block_mask` returned, `twice` if the rate is above 0.
        rate: dropout of the attention weights.
    """
    attend = _flex_attention(query.device.type)
    options = {"FORCE_USE_FLEX_ATTENTION": True}  # one kernel for short and long rows
    if rate == 0.0:
        return attend(query, key, value, block_mask=mask, kernel_options=options)
    dropped = round(rate * _DRAWS)
    seeds = torch.randint(2**31 - 1, query.shape[:2], dtype=torch.int32, device=query.device)

    def only_one(score: Tensor, row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        kept = keeps(seeds[row, head], query, key >> 1, dropped)
        return torch.where(kept == (key & 1 == 0), score, -float("inf"))

    values = value * (_DRAWS / (_DRAWS - dropped))
    return attend(
        query,
        key.repeat_interleave(2, -2),
        torch.stack([values, torch.zeros_like(values)], -2).flatten(-3, -2),
        score_mod=only_one,
        block_mask=mask,
        kernel_options=options,
    )


def keeps(seed: Tensor, query: Tensor, key: Tensor, dropped: int) -> Tensor:
    """Return bool, whether dropout keeps a weight: pseudo-random, the same for the same arguments.

    The bits of the arguments are mixed by multiplications and shifts, as hash functions do.

    Args:
        seed: int32, of the row and the head, not negative.
        query, key: int32, which weight; places below 2**15.
        dropped: of `_DRAWS` possible numbers, those that drop a weight.
    """
    mixed = seed ^ ((query << 16) | key)
    for _ in range(2):
        mixed = (((mixed >> 16) & 0xFFFF) ^ mixed) * 0x45D9F3B
    mixed = ((mixed >> 16) & 0xFFFF) ^ mixed
    return (mixed & (_DRAWS - 1)) >= dropped


_BLOCK = 128
_DRAWS = 2**16
