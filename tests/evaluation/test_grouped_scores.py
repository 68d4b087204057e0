"""Scores of predictors with few distinct scores: right, and not to be solved for small counts."""

from collections import defaultdict
from itertools import product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from sklearn.metrics import average_precision_score, roc_auc_score

from behrt.disclosure import Rules
from behrt.evaluation.grouped_scores import (
    APART,
    EXPOSED,
    GROUPED,
    as_shown,
    group_counts,
    kind_of,
    publishable,
    scores_of_groups,
    solve,
)

GROUPS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=4)


def patients_of(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of patients who make up the groups."""
    scores = np.repeat(-np.arange(len(groups), dtype=np.float32), groups.sum(axis=1))
    labels = np.concatenate([np.repeat([True, False], counts) for counts in groups])
    return labels, scores


@given(GROUPS)
def test_the_scores_are_those_of_scikit_learn(counts: list[tuple[int, int]]) -> None:
    groups = np.array(counts)
    assume(groups.sum(axis=0).all() and groups.sum(axis=1).all())
    labels, scores = patients_of(groups)
    counted = group_counts(labels, scores)
    assert counted is not None
    np.testing.assert_array_equal(counted, groups)
    assert scores_of_groups(groups) == pytest.approx(
        (average_precision_score(labels, scores), roc_auc_score(labels, scores))
    )


def test_many_distinct_scores_are_not_groups() -> None:
    labels = np.arange(40) < 10
    assert group_counts(labels, np.linspace(0, 1, 40)) is None
    assert kind_of(None, 5) == APART
    assert kind_of(np.array([[10, 30]]), 5) == GROUPED
    assert kind_of(np.array([[5, 9], [5, 21]]), 5) == GROUPED
    assert kind_of(np.array([[4, 9], [6, 21]]), 5) == EXPOSED


@given(
    *(st.integers(1, 25), st.integers(1, 60), st.data(), st.integers(1, 4)),
    st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_the_solutions_are_those_of_trying_all(
    positives: int, negatives: int, data: st.DataObject, decimals: int, printed: tuple[bool, bool]
) -> None:
    def scores(above: int, below: int) -> tuple[float | None, ...]:
        groups = np.array([[above, below], [positives - above, negatives - below]])
        found = (round(score, decimals) for score in scores_of_groups(groups))
        return tuple(s if published else None for s, published in zip(found, printed, strict=True))

    true = data.draw(st.integers(0, positives)), data.draw(st.integers(0, negatives))
    seen = scores(*true)
    pairs = product(range(positives + 1), range(negatives + 1))
    wanted = {pair for pair in pairs if scores(*pair) == seen}
    solutions = solve(positives, negatives, *seen, decimals)
    rows = zip(solutions.above, solutions.low, solutions.high, strict=True)
    found = {(int(a), b) for a, low, high in rows for b in range(low, high + 1)}
    assert wanted <= found  # a score that lies between two decimals may have both
    strangers = found - wanted
    assert all(
        abs(score - published) <= 0.5001 * 10**-decimals
        for pair in strangers
        for score, published in zip(
            scores_of_groups(np.array([pair, (positives - pair[0], negatives - pair[1])])),
            seen,
            strict=True,
        )
        if published is not None
    )
    assert true in found


def test_scores_that_reveal_two_patients_are_not_published() -> None:
    """Of 34 patients with the outcome, among 3,083, 2 had the disease before."""
    groups = np.array([[2, 9], [32, 3040]])
    aps, auroc = (round(score, 4) for score in scores_of_groups(groups))
    solved = solve(34, 3049, aps, auroc, 4)
    assert (solved.above.tolist(), solved.low.tolist(), solved.high.tolist()) == ([2], [9], [9])
    assert solved.small(5) == ["higher, outcome"]
    assert np.isnan(publishable(groups, Rules(5))).all()
    assert publishable(groups, Rules(2)) == (0.02, 0.53)


@pytest.mark.parametrize(("positives", "negatives"), [(5, 40), (9, 11), (16, 300)])
@pytest.mark.parametrize("both", [True, False])
def test_a_reader_who_knows_the_method_finds_no_small_number(
    positives: int, negatives: int, both: bool
) -> None:
    """Where divisions are published alike, each part is not small in at least one of them."""
    alike: dict[tuple[float, float], list[tuple[int, ...]]] = defaultdict(list)
    rules = Rules(5)
    for above, below in product(range(positives + 1), range(negatives + 1)):
        rest = positives - above, negatives - below
        shown = publishable(np.array([[above, below], rest]), rules, both)
        parts = (above, below, *rest, above + below, sum(rest))
        alike[shown if both else (0.0, shown[1])].append(parts)
    hidden = sum(len(same) for shown, same in alike.items() if np.isnan(shown[1]))
    assert hidden < sum(map(len, alike.values()))
    for shown, same in alike.items():
        if not np.isnan(shown[1]):
            numbers = np.array(same)
            assert not ((numbers > 0) & (numbers < 5)).all(axis=0).any()


@given(st.integers(0, 60), st.integers(0, 300), st.integers(8, 60), st.integers(8, 300))
def test_scores_beside_rounded_counts_are_those_of_rounded_counts(
    above: int, below: int, positives: int, negatives: int
) -> None:
    assume(above <= positives and below <= negatives)
    rules = Rules(8, 5)
    groups = np.array([[above, below], [positives - above, negatives - below]])
    shown = as_shown(groups, rules)
    assert (shown % 5 == 0).all()
    assert (shown >= 0).all()
    assert shown.sum() == rules.round(groups.sum())
    assert shown[:, 0].sum() == rules.round(positives)
    found = publishable(groups, rules)
    if not np.isnan(found[0]):
        assert found == tuple(round(score, 2) for score in scores_of_groups(shown))


def test_more_groups_are_hidden_if_one_is_small() -> None:
    assert np.isnan(publishable(np.array([[9, 20], [9, 20], [3, 90]]), Rules(5))).all()
    assert publishable(np.array([[9, 20], [9, 20], [9, 90]]), Rules(5)) == (0.26, 0.68)
