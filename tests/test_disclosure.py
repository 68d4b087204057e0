"""A reader who knows the totals cannot work out a hidden count."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from scipy.stats import binomtest

from behrt.disclosure import (
    STYLES,
    Rules,
    disclose,
    hide_parts,
    hide_steps,
    rules_of,
    shares,
    suppress,
    write_table,
)

THRESHOLDS = st.integers(2, 10)


def is_exposed(hidden_counts: list[int]) -> bool:
    """Return whether counts of at least 1 with a known sum have only one solution."""
    return len(hidden_counts) == 1 or sum(hidden_counts) == len(hidden_counts)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), THRESHOLDS)
def test_parts_do_not_follow_from_their_total(parts: list[int], threshold: int) -> None:
    counts = np.array(parts)
    assume(counts.sum() >= threshold)  # else the total itself is not printed
    assume(counts.max() > 1)  # parts that are all 1 cannot be hidden
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
    assert shown(100, 90, 88) == [100, None, 88]  # the last has priority
    assert shown(100, 98) == [100, None]
    assert shown(100, 98, 96) == [100, None, None]
    assert shown(100, 3, 0) == [100, None, 0]
    assert shown(4, 3, 0) == [None, None, 0]


def test_steps_that_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must not rise"):
        hide_steps(np.array([5, 6]), 5)


@pytest.mark.parametrize("threshold", [0, 1])
def test_low_thresholds_hide_nothing(threshold: int) -> None:
    assert not hide_steps(np.array([4, 3, 3, 1, 0]), threshold).any()
    assert not hide_parts(np.array([4, 3, 1, 0]), threshold).any()


def test_numbers_that_a_count_could_be_computed_from_are_hidden_too() -> None:
    frame = pl.DataFrame({"name": ["a", "b"], "patients": [3, 50], "share": [0.06, 0.94]})
    hidden = suppress(frame, np.array([True, False]), ["patients", "share"])
    assert hidden.rows() == [("a", None, None), ("b", 50, 0.94)]


def test_the_styles_by_hand() -> None:
    counts = pl.DataFrame({"positives": [0, 1, 4, 5, 7, 8, 12, 13, 1002]})
    shown = {
        style: disclose(counts, rules)["positives"].to_list() for style, rules in STYLES.items()
    }
    assert shown["cprd"] == [0, None, None, 5, 7, 8, 12, 13, 1002]
    assert shown["hes"] == [0, None, None, None, None, 10, 10, 15, 1000]
    assert rules_of("hes", None, None) == Rules(8, 5)
    assert rules_of("cprd", 10, 10) == Rules(10, 10)


@given(st.integers(0, 200), st.integers(1, 12), st.integers(1, 10))
def test_a_shown_count_is_within_its_interval(count: int, threshold: int, rounding: int) -> None:
    rules = Rules(threshold, rounding)
    if count == 0 or count >= threshold:
        shown = int(rules.round(count))
        low, high = rules.interval(shown)
        assert low <= count <= high
        assert abs(shown - count) <= rounding / 2


def test_numbers_computed_from_few_patients_are_hidden_with_their_count(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"rank": [1, 2], "patients": [3, 50], "undefined": [9, 2], "aps": [0.5, 0.4]}
    )
    shown = write_table(frame, tmp_path / "table.csv", Rules(5))
    assert shown.rows() == [(1, None, 9, None), (2, 50, None, 0.4)]
    assert (tmp_path / "table.csv").read_text().splitlines()[1:] == ["1,,9,", "2,50,,0.4"]


def test_a_table_in_long_form_counts_where_its_statistic_is_count() -> None:
    frame = pl.DataFrame({"statistic": ["count", "mean", "count"], "value": [3.0, 3.0, 42.0]})
    assert disclose(frame, Rules(5, 5))["value"].to_list() == [None, 3.0, 40.0]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("subject_id", [1], "identifies"),
        ("died", [date(2001, 2, 3)], "identifies"),
        ("number", [7], "COUNTS"),
        ("dead_share", [0.25], "SHARES"),
    ],
)
def test_columns_that_are_not_allowed(column: str, values: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        disclose(pl.DataFrame({column: values}), Rules(5))


@given(
    st.integers(8, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(8, n))),
    st.tuples(st.integers(-2, 2), st.integers(-2, 2)),
)
def test_counts_that_are_shown_alike_have_the_same_shares(
    counts: tuple[int, int], moved: tuple[int, int]
) -> None:
    """Otherwise the exact count would follow from a share and the rounded count in its row."""
    rules = Rules(8, 5)

    def shown(patients: int, positives: int) -> pl.DataFrame:
        share = positives / patients
        exact = binomtest(positives, patients).proportion_ci(method="exact")
        row = {"patients_own": patients, "ranked_own": positives, "ranked_own_share": share}
        ends = {"ranked_own_share_low": exact.low, "ranked_own_share_high": exact.high}
        return disclose(pl.DataFrame([row | ends]), rules)

    whole, part = counts
    other = whole + moved[0], part + moved[1]
    assume(8 <= other[1] <= other[0])
    assume([rules.round(n) for n in other] == [rules.round(n) for n in counts])
    assert shown(*other).equals(shown(whole, part))


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_shares_are_those_of_scipy(counts: tuple[int, int]) -> None:
    part, whole = counts
    exact = binomtest(part, whole).proportion_ci(method="exact")
    found = shares(np.array([float(part)]), np.array([float(whole)]))
    assert [values[0] for values in found.values()] == pytest.approx(
        [part / whole, exact.low, exact.high]
    )
    hidden = shares(np.array([np.nan, 0.0]), np.array([float(whole), 0.0]))
    assert all(np.isnan(values).all() for values in hidden.values())


@given(st.integers(2, 12), st.integers(1, 10), st.integers(0, 400), st.integers(0, 30))
def test_a_coarse_share_hides_the_difference_from_an_exact_count(
    threshold: int, rounding: int, count: int, more: int
) -> None:
    """The training patients with a disease, on a page, and all patients with it, in a table."""
    rules, whole = Rules(threshold, rounding), 1000
    assume(threshold <= count <= whole - threshold)
    share = rules.coarse_share(count, whole)
    alike = [n for n in range(threshold, whole) if rules.coarse_share(n, whole) == share]
    assert count in alike
    assert share in rules.coarse_shares(int(rules.round(whole)))
    differences = np.array([count + more - n for n in alike])
    assert not ((differences > 0) & (differences < threshold)).all()
    rounded = [n for n in range(threshold, whole) if rules.round(n) == rules.round(count)]
    assert set(rounded) <= set(alike), "it shows more than the rounded count does"


def test_coarse_shares_of_few_patients_are_not_shown() -> None:
    shown = [Rules(5).coarse_share(count, 1000) for count in (0, 4, 5, 995, 996, 1000)]
    assert shown == [0.0, None, 0.007, 1.0, None, 1.0]
