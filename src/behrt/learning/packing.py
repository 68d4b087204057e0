"""Packing sequences of unequal length into rows of equal length, with little padding.

A model then reads the rows under a block mask: a token attends to its own sequence only.
"""

import numpy as np


def pack(lengths: np.ndarray, row_length: int) -> np.ndarray:
    """Place every sequence in one row, by best fit in order of decreasing length.

    >>> pack(np.array([3, 5, 4]), row_length=8).tolist()
    [5, 0, 8]

    Args:
        lengths: int64 (n), each from 1 to `row_length`.
        row_length: tokens per row.

    Returns:
        int64 (n): the place of each sequence's first token in the rows laid end to end, which is
        row * row_length + column. The same lengths always give the same places.

    Raises:
        ValueError: a sequence is empty or longer than a row.
    """
    if len(lengths) and (lengths.min() < 1 or lengths.max() > row_length):
        raise ValueError(f"every sequence must have 1 to {row_length} tokens")
    places = np.empty(len(lengths), dtype=np.int64)
    rows_with: list[list[int]] = [[] for _ in range(row_length + 1)]  # by free tokens
    free_counts = 0  # bit f is set if some row has f free tokens
    rows = 0
    for sequence in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[sequence])
        fitting = free_counts >> length
        if fitting:
            free = length + (fitting & -fitting).bit_length() - 1
            row = rows_with[free].pop()
            if not rows_with[free]:
                free_counts ^= 1 << free
        else:
            row, free, rows = rows, row_length, rows + 1
        places[sequence] = row * row_length + row_length - free
        rows_with[free - length].append(row)
        free_counts |= 1 << (free - length)
    return places
