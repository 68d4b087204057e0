"""Nobody who knows the totals can work out a hidden count."""

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given

from behrt.evaluation.disclosure import hide_parts, hide_steps, suppress

THRESHOLDS = st.integers(2, 10)


def is_exposed(hidden_counts: list[int]) -> bool:
    """Return whether counts of at least 1, of known sum, have but one solution."""
    return len(hidden_counts) == 1 or sum(hidden_counts) == len(hidden_counts)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), THRESHOLDS)
def test_parts_do_not_follow_from_their_total(parts: list[int], threshold: int) -> None:
    counts = np.array(parts)
    assume(counts.sum() >= threshold)  # else the total itself is not printed
    hidden = hide_parts(counts, threshold)
    shown = counts[~hidden]
    assert not ((shown > 0) & (shown < threshold)).any()
    if hidden.any():
        assert counts[hidden].sum() >= threshold
        assert not is_exposed(counts[hidden].tolist())
        assert (counts[hidden] > 0).all()
    else:
        assert not ((counts > 0) & (counts < threshold)).any()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), THRESHOLDS)
def test_no_part_is_hidden_without_need(parts: list[int], threshold: int) -> None:
    counts = np.array(parts)
    hidden = hide_parts(counts, threshold)
    if (hidden & (counts >= threshold)).any():
        fewer = sorted(counts[hidden].tolist())[:-1]  # without the one that was hidden last
        assert sum(fewer) < threshold or is_exposed(fewer)


@given(st.lists(st.integers(0, 25), min_size=1, max_size=8), THRESHOLDS)
def test_steps_do_not_follow_from_their_neighbours(falls: list[int], threshold: int) -> None:
    counts = np.cumsum(falls)[::-1]
    hidden = hide_steps(counts, threshold)
    shown = np.flatnonzero(~hidden)
    assert not ((counts[shown] > 0) & (counts[shown] < threshold)).any()
    for before, after in pairwise(shown):
        excluded = counts[before] - counts[after]
        assert excluded == 0 or excluded >= threshold
        # What is hidden between could be any number from one to the other.
        assert after == before + 1 or excluded > 0
    if counts[0] == 0 or counts[0] >= threshold:
        assert not hidden[0]


def test_steps_by_hand() -> None:
    def shown(*counts: int) -> list[int | None]:
        hidden = hide_steps(np.array(counts), 5)
        return [None if h else n for n, h in zip(counts, hidden, strict=True)]

    assert shown(100, 80, 60) == [100, 80, 60]
    assert shown(100, 97, 60) == [100, None, 60]
    assert shown(100, 100, 60) == [100, 100, 60]
    assert shown(100, 90, 88) == [100, None, 88]  # the last is wanted most
    assert shown(100, 98) == [100, None]
    assert shown(100, 98, 96) == [100, None, None]
    assert shown(100, 3, 0) == [100, None, 0]
    assert shown(4, 3, 0) == [None, None, 0]


def test_steps_that_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="more"):
        hide_steps(np.array([5, 6]), 5)


@pytest.mark.parametrize("threshold", [0, 1])
def test_low_thresholds_hide_nothing(threshold: int) -> None:
    assert not hide_steps(np.array([4, 3, 3, 1, 0]), threshold).any()
    assert not hide_parts(np.array([4, 3, 1, 0]), threshold).any()


def test_what_a_count_could_be_computed_from_goes_with_it() -> None:
    frame = pl.DataFrame({"name": ["a", "b"], "patients": [3, 50], "share": [0.06, 0.94]})
    hidden = suppress(frame, np.array([True, False]), ["patients", "share"])
    assert hidden.rows() == [("a", None, None), ("b", 50, 0.94)]
