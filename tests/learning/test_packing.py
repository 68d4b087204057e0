"""Packing: nothing overlaps, nothing crosses a row, little is wasted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.learning.packing import pack


@given(st.lists(st.integers(1, 40), max_size=200), st.integers(0, 8))
def test_sequences_lie_apart_and_within_rows(lengths: list[int], spare: int) -> None:
    row_length = max(lengths, default=1) + spare
    places = pack(np.array(lengths, dtype=np.int64), row_length)
    used = np.concatenate(
        [np.arange(place, place + length) for place, length in zip(places, lengths, strict=True)]
        or [np.empty(0)]
    )
    assert len(np.unique(used)) == sum(lengths)
    ends = places + np.array(lengths, dtype=np.int64) - 1
    assert (places // row_length == ends // row_length).all()
    rows = len(np.unique(places // row_length))
    assert rows == (places.max() // row_length + 1 if lengths else 0)
    # Two rows that are both at most half full would have been one.
    half_empty = np.bincount(places // row_length, lengths, rows) * 2 <= row_length
    assert half_empty.sum() <= 1


def test_a_perfect_fit_is_found() -> None:
    places = pack(np.array([3, 7, 5, 5, 6, 4]), 10)
    assert places.max() < 30


def test_a_sequence_that_cannot_be_placed_is_refused() -> None:
    for length in (0, 11):
        with pytest.raises(ValueError, match="1 to 10"):
            pack(np.array([3, length]), 10)
