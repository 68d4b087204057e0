"""Time as networks read it: days as angles, and durations between knots."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from behrt.learning.visits import DAYS_A_YEAR

PERIODS = (60 * DAYS_A_YEAR, 55.0)
"""The longest and the shortest period of the rotary embedding, in days."""


def rotation_of(days: Tensor, pairs: int) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of days at several periods, as `rotate` takes them.

    Args:
        days: int32 (R, L).
        pairs: the number of periods.

    Returns:
        (R, 1, L, pairs) each, in the precision of autocast where that is on.
    """
    longest, shortest = (math.log10(period) for period in PERIODS)
    periods = torch.logspace(longest, shortest, pairs, device=days.device)
    angles = days[:, None, :, None] * (2 * math.pi / periods)
    dtype, device = angles.dtype, days.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(values: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of numbers by angles, so that their products depend on differences of angles.

    These are rotary embeddings (Su et al. 2021, arXiv 2104.09864).

    Args:
        values: (R, A, L, H / A), queries or keys.
        rotation: cosines and sines of the angles of each word, (R, 1, L, H / (2 A)) each.
    """
    cosine, sine = rotation
    first, second = values.chunk(2, -1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)


def between(values: Tensor, knots: Sequence[float]) -> Tensor:
    """Return the weights of linear interpolation between knots, on the scale of log(1 + value).

    >>> between(torch.tensor([0.0, 1.0, 3.0, 99.0]), [0, 3, 15]).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    Args:
        values: float32 (n), at least 0.
        knots: ascending; values beyond them count as the nearest.

    Returns:
        float32 (n, knots): rows sum to 1; at most two neighbours in a row are not 0.
    """
    places = torch.tensor(knots, dtype=torch.float32, device=values.device).log1p()
    scaled = values.log1p().clamp(places[0], places[-1])
    above = torch.searchsorted(places, scaled).clamp(min=1)
    share = (scaled - places[above - 1]) / (places[above] - places[above - 1])
    weights = values.new_zeros(len(values), len(knots))
    weights.scatter_(1, above[:, None] - 1, 1 - share[:, None])
    return weights.scatter_(1, above[:, None], share[:, None])
