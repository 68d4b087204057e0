"""Examples: ragged selection and dense labels, against nested Python lists."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.learning.examples import Examples
from behrt.ragged import ragged_ranges

N_DISEASES = 6
CODES = st.sets(st.integers(0, N_DISEASES - 1), min_size=1)
SUBJECTS = st.lists(
    st.tuples(st.lists(CODES, max_size=5), st.sets(st.integers(0, N_DISEASES - 1))), max_size=8
)
Subject = tuple[list[set[int]], set[int]]


def offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def examples(subjects: list[Subject]) -> Examples:
    visits = [visit for history, _ in subjects for visit in history]
    known = [set().union(*history) for history, _ in subjects]

    def flat(sets: list[set[int]]) -> np.ndarray:
        return np.array([code for held in sets for code in sorted(held)], dtype=np.int16)

    return Examples(
        subject_id=np.arange(len(subjects), dtype=np.int64) + 100,
        sex=np.arange(len(subjects), dtype=np.int8) % 3,
        follow_up_start=np.arange(len(subjects), dtype=np.int32) - 40,
        visit_offsets=offsets([len(history) for history, _ in subjects]),
        visit_day=np.arange(len(visits), dtype=np.int32),
        visit_age=np.arange(len(visits), dtype=np.int16) + 500,
        code_offsets=offsets([len(visit) for visit in visits]),
        codes=flat(visits),
        label_offsets=offsets([len(label) for _, label in subjects]),
        labels=flat([label for _, label in subjects]),
        known_offsets=offsets([len(held) for held in known]),
        known=flat(known),
        n_diseases=N_DISEASES,
    )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5))))
def test_ranges_are_joined_in_order(ranges: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in ranges], dtype=np.int64)
    lengths = np.array([length for _, length in ranges], dtype=np.int64)
    positions, found = ragged_ranges(starts, lengths)
    assert positions.tolist() == [start + i for start, length in ranges for i in range(length)]
    assert found.tolist() == offsets([length for _, length in ranges]).tolist()


@given(SUBJECTS, st.data())
def test_a_selection_has_the_chosen_subjects_in_the_given_order(
    subjects: list[Subject], data: st.DataObject
) -> None:
    """A subject may be chosen twice, as a bootstrap does."""
    rows = data.draw(st.lists(st.integers(0, len(subjects) - 1), max_size=6)) if subjects else []
    whole = examples(subjects)
    chosen = whole.select(np.array(rows, dtype=np.int64))
    expected = examples([subjects[row] for row in rows])
    for name in ("visit_offsets", "code_offsets", "codes", "label_offsets", "labels"):
        assert getattr(chosen, name).tolist() == getattr(expected, name).tolist(), name
    assert chosen.known.tolist() == expected.known.tolist()
    assert chosen.known_offsets.tolist() == expected.known_offsets.tolist()
    assert chosen.subject_id.tolist() == [100 + row for row in rows]
    assert chosen.sex.tolist() == [row % 3 for row in rows]
    assert chosen.follow_up_start.tolist() == [row - 40 for row in rows]
    starts = whole.visit_offsets
    visits = [v for row in rows for v in range(starts[row], starts[row + 1])]
    assert chosen.visit_day.tolist() == visits
    assert chosen.visit_age.tolist() == [500 + v for v in visits]
    assert {name: array.dtype for name, array in chosen.arrays().items()} == {
        name: array.dtype for name, array in whole.arrays().items()
    }


@given(SUBJECTS, st.data())
def test_matrices_mark_labels_and_history(subjects: list[Subject], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(subjects) - 1), max_size=6)) if subjects else []
    whole = examples(subjects)
    chosen = np.array(rows, dtype=np.int64)
    labels, known = whole.label_matrix(chosen), whole.known_matrix(chosen)
    assert labels.shape == known.shape == (len(rows), N_DISEASES)
    for i, row in enumerate(rows):
        history, label = subjects[row]
        assert set(np.flatnonzero(labels[i]).tolist()) == label
        assert set(np.flatnonzero(known[i]).tolist()) == set().union(*history)


def test_prevalence_and_prior_log_odds_by_hand() -> None:
    four = examples([([{0}], {0, 1}), ([{0}], {0}), ([{0}], {0}), ([{0}], {0})])
    assert four.label_prevalence().tolist() == [1.0, 0.25, 0.0, 0.0, 0.0, 0.0]
    # kept within half a subject in four of 0 and 1: 7/8 and 1/8
    assert four.prior_log_odds().tolist() == pytest.approx(
        [math.log(7), math.log(1 / 3), *[-math.log(7)] * 4]
    )
    assert four.prior_log_odds().dtype == np.float32
