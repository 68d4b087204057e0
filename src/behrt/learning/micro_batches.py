"""Batches that are larger than the memory of a GPU, computed in parts.

The gradients of the parts are added up, so that the result depends on their size only by rounding,
and by what dropout draws.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import torch

from behrt.errors import InputError

Result = TypeVar("Result")


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


def largest(compute: Callable[[int], Result], most: int) -> tuple[int, Result]:
    """Return how many rows fit into memory at a time, by trial, and what was computed.

    Args:
        compute: computes so many rows at a time, and raises `torch.OutOfMemoryError` if they do
            not fit.
        most: rows, at least 1. They are halved until they fit.

    Raises:
        InputError: one does not fit.
    """
    rows = most
    while (found := _computed(compute, rows)) is None:
        if rows == 1:
            raise InputError(
                "config, accelerator",
                "one patient does not fit into the memory of the GPU",
                "Lower max_length, hidden or layers, or use a GPU with more memory",
            )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        rows = -(-rows // 2)
    return rows, found[0]


def _computed(compute: Callable[[int], Result], rows: int) -> tuple[Result] | None:
    try:
        return (compute(rows),)
    except torch.OutOfMemoryError:
        return None
