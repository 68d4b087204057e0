"""Batches that are larger than the memory of a GPU, computed in parts.

The gradients of the parts are added up, so that the result depends on their size only by rounding,
and by what dropout draws.
"""

from collections.abc import Callable
from itertools import pairwise

import torch

from behrt.errors import InputError


def parts_of(whole: slice, size: int | None) -> list[slice]:
    """Return consecutive parts of some rows, of at most `size`, and as equal as possible.

    >>> parts_of(slice(2, 9), 3)
    [slice(2, 4, None), slice(4, 6, None), slice(6, 9, None)]
    >>> parts_of(slice(2, 9), None)
    [slice(2, 9, None)]
    """
    rows = whole.stop - whole.start
    parts = 1 if size is None else -(-rows // size)
    ends = [whole.start + rows * part // parts for part in range(parts + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def largest(compute: Callable[[int], object], most: int) -> int:
    """Return how many rows fit into memory at a time, by trial: the most are halved until they fit.

    Args:
        compute: computes so many rows, and raises `torch.OutOfMemoryError` if they do not fit.
        most: rows, at least 1.

    Raises:
        InputError: one does not fit.
    """
    rows = most
    while not _fits(compute, rows):
        if rows == 1:
            raise InputError(
                "training",
                "one patient does not fit into the memory of the GPU",
                "Lower max_length, hidden or layers, or use a GPU with more memory",
            )
        rows = -(-rows // 2)
    return rows


def _fits(compute: Callable[[int], object], rows: int) -> bool:
    try:
        compute(rows)
    except torch.OutOfMemoryError:
        return False
    return True
