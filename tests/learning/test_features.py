"""Counts and times of records: by hand, independent of order in a visit and of the future."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.learning.case_control import (
    LEAST_CONTROLS,
    CaseControl,
    TrainingSet,
    TrainingSets,
    association,
)
from behrt.learning.examples import Examples
from behrt.learning.features import counts, observed, record_times
from behrt.learning.histories import Histories
from behrt.learning.run import Compute, TrainingRun
from behrt.models import lightgbm, logistic_regression

N = 6
Visit = tuple[int, list[int]]
"""The day, and the diseases."""


def examples(
    patients: list[list[Visit]], start: int = 0, labels: list[int] | None = None
) -> Examples:
    visits = [visit for history in patients for visit in history]
    known = [sorted({c for _, codes in history for c in codes}) for history in patients]
    label = [[disease] for disease in labels or [0] * len(patients)]

    def offsets(lists: list[list[int]]) -> np.ndarray:
        return np.cumsum([0, *map(len, lists)])

    def flat(lists: list[list[int]]) -> np.ndarray:
        return np.array([value for values in lists for value in values], dtype=np.int16)

    codes = [codes for _, codes in visits]
    return Examples(
        subject_id=np.arange(len(patients)),
        sex=np.ones(len(patients), dtype=np.int8),
        follow_up_start=np.full(len(patients), start, dtype=np.int32),
        visit_offsets=np.cumsum([0, *map(len, patients)]),
        visit_day=np.array([day for day, _ in visits], dtype=np.int32),
        visit_age=np.array([600 + day // 30 for day, _ in visits], dtype=np.int16),
        code_offsets=offsets(codes),
        codes=flat(codes),
        label_offsets=offsets(label),
        labels=flat(label),
        known_offsets=offsets(known),
        known=flat(known),
        n_diseases=N,
    )


def test_times_of_records_by_hand() -> None:
    """Disease 2 is recorded twice, 5 in the last visit, 1 on the day before."""
    found = examples([[(0, [2, 4]), (487, [2]), (973, [1]), (974, [5])], [(9, [3])]], start=-487)
    times = record_times(found)
    assert times.row.tolist() == [0, 0, 0, 0, 1]
    assert times.word.tolist() == [1, 2, 4, 5, 3]
    assert times.last == pytest.approx([1 / 30.4375, 16, 32, 0, 0])
    assert times.first == pytest.approx([1 / 30.4375, 32, 32, 0, 0])
    assert observed(found).tolist() == [[48, 4], [pytest.approx(496 / 30.4375), 1]]
    trees = lightgbm.features(found, times=True).toarray()
    assert trees.shape == (2, 3 * N + 4)
    assert trees[0, N : 2 * N] == pytest.approx([0, 1 / (1 + 1 / 30.4375), 1 / 17, 0, 1 / 33, 1])
    assert trees[0, 2 * N + 2] == pytest.approx(1 / 33)
    assert trees[0, 3 * N :].tolist() == [48, 4, 632, 1]
    decays = logistic_regression.features(found, times=True).toarray()
    assert decays.shape == (2, 9 * N + 27)
    blocks = decays[0, N : 9 * N].reshape(2, 4, N)
    assert blocks[:, :, 2] == pytest.approx(
        np.array(
            [
                [0, np.exp(-16 / 3), np.exp(-16 / 12), np.exp(-1 / 3)],
                [0, 0, np.exp(-32 / 12), np.exp(-32 / 48)],
            ]
        )
    )
    assert (blocks[:, :, 5] == 1).all(), "a record of the last visit is not taken for none"
    assert decays[0, -2:] == pytest.approx(np.log([49, 5]))


history = st.lists(
    st.tuples(st.integers(1, 900), st.sets(st.integers(0, N - 1), min_size=1)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=40, deadline=None)
@given(history, st.integers(0, 6), st.randoms(use_true_random=False))
def test_features_depend_on_the_visits_up_to_the_cut_only(
    gaps: list[tuple[int, set[int]]], cut: int, random: np.random.Generator
) -> None:
    cut = min(cut, len(gaps) - 1)
    days = np.cumsum([gap for gap, _ in gaps]).tolist()
    visits = [(day, sorted(codes)) for day, (_, codes) in zip(days, gaps, strict=True)]
    shuffled = [(day, random.sample(codes, len(codes))) for day, codes in visits]
    future = [(day + 77, [N - 1 - c for c in codes]) for day, codes in visits[cut + 1 :]]
    found = []
    for whole in (visits, shuffled, [*visits[: cut + 1], *future]):
        ends = {"T": np.full(len(visits), len(visits))}
        histories = Histories(examples([whole]), np.array([10**5], dtype=np.int32), ends)
        rows = histories.cut_after(np.array([cut]), "T")
        modules = (lightgbm, logistic_regression)
        found.append([module.features(rows, times=True).toarray() for module in modules])
        times = record_times(rows)
        assert (times.first >= times.last).all()
        assert (times.last >= 0).all()
        assert times.word.tolist() == rows.known.tolist()
        assert times.matrix(np.ones(len(times.row))).nnz == counts(rows).nnz
    for other in found[1:]:
        for table, same in zip(found[0], other, strict=True):
            assert np.array_equal(table, same)


def test_a_training_set_has_all_cases_some_controls_and_the_related_diseases() -> None:
    random = np.random.default_rng(5)
    n = 3 * LEAST_CONTROLS
    other = random.integers(1, N, n)
    cause = random.random(n) < 0.3
    patients = [
        [(0, [0, int(c)] if has else [int(c)])] for has, c in zip(cause, other, strict=True)
    ]
    case = random.random(n) < np.where(cause, 0.05, 0.01)
    train = examples(patients, labels=np.where(case, 3, 4).tolist())
    strength = association(train)
    both = np.array([[(cause & case).sum(), (cause & ~case).sum()]]).T
    expected = np.array([case.sum(), (~case).sum()])[:, None] * cause.sum() / n
    assert strength[[3, 4], :1] == pytest.approx(np.abs(both - expected) / np.sqrt(expected + 1))
    assert strength[3].argmax() == 0
    run = TrainingRun(folder=None, compute=Compute(1))  # type: ignore[arg-type]
    chosen = TrainingSets(train, CaseControl(controls=10, diseases=1), run).of(3)
    assert chosen.words.tolist() == [0]
    assert np.array_equal(chosen.rows[chosen.label], np.flatnonzero(case))
    share = np.exp(chosen.log_share)
    wanted = max(LEAST_CONTROLS, 10 * case.sum())
    assert share == pytest.approx(wanted / (n - case.sum()))
    assert (~chosen.label).sum() == pytest.approx(wanted, rel=0.05)
    everything = TrainingSets(train, CaseControl(), run).of(3)
    assert everything.rows.tolist() == list(range(n))
    assert everything.words.tolist() == list(range(N))
    assert everything.log_share == 0


def test_the_columns_of_some_diseases() -> None:
    chosen = TrainingSet(np.zeros(0), np.zeros(0), np.array([1, 4]), 0.0)
    assert chosen.columns(N, 2, 14).tolist() == [1, 4, 7, 10, 12, 13]
