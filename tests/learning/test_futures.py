"""Sampled futures: visits and deaths as often as their rates say, and events counted by hand."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from behrt.learning.examples import Examples
from behrt.learning.futures import (
    Futures,
    cumulative_incidence,
    draw_visits,
    draw_waiting,
    joined,
    sample_futures,
    some_disease,
    with_visit,
)
from behrt.learning.load import examples_of

START = (date(2000, 12, 20) - date(1970, 1, 1)).days


def histories(*patients: list[tuple[int, list[int]]]) -> Examples:
    """Return patients with these visits, (days after `START`, diseases), who are 50 at `START`."""
    frame = pl.DataFrame(
        {
            "subject_id": range(len(patients)),
            "sex": [1] * len(patients),
            "follow_up_start": [0] * len(patients),
            "visit_day": [[START + day for day, _ in visits] for visits in patients],
            "visit_age": [
                [600 + _months(START + day) - _months(START) for day, _ in visits]
                for visits in patients
            ],
            "code": [[code for _, codes in visits for code in codes] for visits in patients],
            "visit": [
                [place for place, (_, codes) in enumerate(visits) for _ in codes]
                for visits in patients
            ],
        },
        schema_overrides={
            "sex": pl.Int8,
            "follow_up_start": pl.Int32,
            "visit_day": pl.List(pl.Int32),
            "visit_age": pl.List(pl.Int16),
            "code": pl.List(pl.Int16),
            "visit": pl.List(pl.Int16),
        },
    )
    return examples_of(frame, 4)


def _months(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(int))


def test_a_visit_that_is_added_is_one_of_the_history() -> None:
    before = histories([(0, [1])], [(0, [0]), (40, [2, 3])])
    days = START + np.array([15, 100])
    present = np.array([[True, True, False, False], [False, False, True, False]])
    found = with_visit(before, days, present).arrays()
    wanted = histories([(0, [1]), (15, [0, 1])], [(0, [0]), (40, [2, 3]), (100, [2])]).arrays()
    for name, array in wanted.items():
        assert np.array_equal(found[name], array), name
        assert found[name].dtype == array.dtype, name


def test_visits_have_each_disease_with_its_share_and_never_none() -> None:
    shares = np.array([0.7, 0.4, 0.1, 0.05])
    drawn = draw_visits(np.tile(shares, (40_000, 1)), np.random.default_rng(1))
    assert drawn.any(axis=1).all()
    assert drawn.mean(axis=0) == pytest.approx(shares, abs=0.01)
    rare = draw_visits(np.tile([0.3, 0.1, 0.0, 0.0], (40_000, 1)), np.random.default_rng(1))
    assert (rare.sum(axis=1) == 1).mean() > 0.999
    assert rare.mean(axis=0) == pytest.approx([0.75, 0.25, 0, 0], abs=0.01)


def test_the_chance_of_any_disease_solves_its_equation() -> None:
    shares = np.array([[0.7, 0.4, 0.1], [1.0, 1.0, 0.2], [0.2, 0.2, 0.2]])
    found = some_disease(shares)
    assert found[:2] == pytest.approx(1 - np.prod(1 - found[:2, None] * shares[:2], 1), abs=1e-6)
    assert found[2] < 1e-5


def test_waiting_times_are_those_of_competing_exponentials() -> None:
    """The second patient has had disease 1, after which visits are rarer and death is likelier."""
    rates = np.array([[1.0, 1.0, 0.0, 0.0, 0.0, 0.1], [0.2, 0.0, 0.2, 0.0, 0.0, 0.5]])

    def rates_of(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        rows = examples.known_matrix(np.arange(len(examples)))[:, 1].astype(int)
        return rates[rows], np.zeros((len(examples), 2))

    start = np.full(2, START)
    examples = histories([(0, [0])], [(0, [1])])
    found = sample_futures(
        rates_of, examples, start, start + 3652, 10_000, np.random.default_rng(3)
    )
    assert found.day.max() <= START + 3652
    assert found.death[np.isfinite(found.death)].max() <= START + 3652
    shares = cumulative_incidence(found, start, np.array([365, 3652]), 4)
    years = np.array([365, 3652]) / 365.25
    for patient, (visit, dying) in enumerate(((1.0, 0.1), (0.2, 0.5))):
        recorded = visit / (visit + dying) * (1 - np.exp(-(visit + dying) * years))
        assert shares[patient, patient] == pytest.approx(recorded, abs=0.015)
        assert shares[patient, 4] == pytest.approx(1 - np.exp(-dying * years), abs=0.015)
    later = found.death[found.row] < found.day
    assert not later.any(), "nothing is recorded after death"


def test_a_rate_that_changes_is_drawn_from_the_last_visit_on() -> None:
    """The risk of death rises by a Gompertz law; sampling starts two years after the visit."""
    start = np.array([START + 730])

    def rates_of(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        n = len(examples)
        return np.tile([1e-9, 1e-9, 0, 0, 0, 0.02], (n, 1)), np.tile([0.0, 0.4], (n, 1))

    found = sample_futures(
        rates_of, histories([(0, [0])]), start, start + 3000, 20_000, np.random.default_rng(3)
    )
    days = np.array([500, 1500, 3000])
    shares = cumulative_incidence(found, start, days, 4)[0, 4]
    until = 2 + days / 365.25
    expected = 0.02 / 0.4 * (np.exp(0.4 * until) - np.exp(0.4 * 2))
    assert shares == pytest.approx(1 - np.exp(-expected), abs=0.012)
    falling = draw_waiting(
        np.full((20_000, 1), 0.2), np.full((20_000, 1), -0.4), np.random.default_rng(1)
    )
    assert np.isinf(falling).mean() == pytest.approx(np.exp(-0.5), abs=0.012)


def test_incidence_counts_the_first_record_of_each_future() -> None:
    one = Futures(
        patient=np.array([0, 0]),
        death=np.array([np.inf, START + 400.0]),
        row=np.array([0, 0, 1]),
        day=START + np.array([10, 500, 300]),
        disease=np.array([2, 2, 0]),
    )
    both = joined([one, Futures(np.array([1]), np.array([np.inf]), *np.zeros((3, 0), int))])
    start, days = np.full(2, START), np.array([100, 365, 400])
    found = cumulative_incidence(both, start, days, 3)
    assert found[0].tolist() == [[0, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0.5]]
    assert not found[1].any()
