"""Whose futures are compared, and the incidence of continuations of the simulated process."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.simulation.continuation import Continuations
from behrt.use.simulated_futures import choose_patients, true_incidence

DAY = (date(2005, 1, 1) - date(1970, 1, 1)).days


def subject(number: int, split: str, start: int, end: int, visits: list[int]) -> dict[str, object]:
    return {
        "subject_id": number,
        "split": split,
        "follow_up_start": DAY + start,
        "follow_up_end": DAY + end,
        "visit_day": [DAY + day for day in visits],
    }


def test_patients_are_chosen_by_what_is_known_on_the_day() -> None:
    """The day is the 1 January on which most are followed; later visits do not matter."""
    patients = [
        subject(1, "held_out", -300, 400, [-90, -50]),
        subject(2, "held_out", -300, 400, [-90, 50, 60]),  # one visit so far
        subject(3, "train", -300, 400, [-90, -50]),
        subject(4, "held_out", -300, 0, [-90, -50]),  # follow-up ends on the day
        subject(5, "held_out", -900, 100, [-90, -50, 0]),
        subject(6, "held_out", 200, 900, [210, 220]),
    ]
    found = choose_patients(pl.DataFrame(patients), 2, 10, 1)
    assert found["subject_id"].to_list() == [1, 5]
    assert found["prediction_time"].to_list() == [datetime(2005, 1, 1, 23, 59, 59)] * 2
    assert choose_patients(pl.DataFrame(patients), 2, 1, 1).height == 1
    with pytest.raises(InputError, match="no held-out patient has 4 visits"):
        choose_patients(pl.DataFrame(patients), 4, 10, 1)


def test_records_after_death_do_not_count() -> None:
    one = Continuations(
        patients=np.array([0, 0, 1, 1]),
        followed=np.array([True, False, True, True]),
        death=np.array([9e9, DAY + 50.5, 9e9, 9e9], dtype=np.float32),
        row=np.array([0, 1, 1, 3]),
        day=DAY + np.array([30, 40, 60, 300]),
        phenotype=np.array([0, 0, 1, 1]),
        stay_row=np.zeros(0, dtype=np.int64),
        stay_day=np.zeros(0, dtype=np.int64),
        stay_emergency=np.zeros(0),
    )
    later = Continuations(
        np.array([2]), np.array([True]), np.array([9e9]), *np.zeros((6, 0), dtype=np.int64)
    )
    found = true_incidence([one, later], np.full(3, DAY), np.array([35, 365]), 2)
    assert found[0].tolist() == [[0.5, 1], [0, 0], [0, 0.5]]
    assert found[1].tolist() == [[0, 0], [0, 0.5], [0, 0]]
    assert not found[2].any()
