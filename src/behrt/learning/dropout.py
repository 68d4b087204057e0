"""Dropout that is fast on a CPU, where torch draws a whole random number for every element."""

import torch
import torch.nn.functional as F
from torch import Tensor

_WORDS = 2**16


def dropout(values: Tensor, rate: float, training: bool) -> Tensor:
    """Set a share of the elements to 0 and scale up the rest, as `torch.nn.functional.dropout`.

    On a CPU, 16 random bits of torch's default generator decide for each element, so `rate` is
    rounded to a multiple of 2**-16.

    Args:
        values: floating point, any shape.
        rate: the share that is set to 0, at least 0 and below 1.
        training: returns `values` as they are if false.
    """
    if not training or rate == 0.0:
        return values
    if values.device.type != "cpu":
        return F.dropout(values, rate, training=True)
    dropped = round(rate * _WORDS)
    size = values.numel()
    words = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
    words = words.view(torch.int16)[:size].view(values.shape)
    # Written directly as floats: converting booleans to floats takes longer than all the rest.
    kept = torch.empty(values.shape, dtype=values.dtype)
    torch.ge(words, dropped - _WORDS // 2, out=kept)
    return values * kept.mul_(_WORDS / (_WORDS - dropped))
