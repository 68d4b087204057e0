"""The population table: by hand, against numpy, and without small numbers."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.disclosure import Rules
from behrt.evaluation.population import describe, read_tallies, tabulate
from behrt.sequences.frames import Sequences, TaskExamples
from behrt.tasks import Task

TASKS = [Task("T1"), Task("T2", 6), Task("T3", 12)]
Key = tuple[str, str, str, str]


def sequence(
    subject: int, split: str, sex: int, visits: list[int], years: int
) -> dict[str, object]:
    """A subject born in March 1950, with so many diagnoses a visit, yearly from January 2000."""
    return {
        "subject_id": subject,
        "split": split,
        "sex": sex,
        "region": 1,
        "practice": 1,
        "birth_month": 1950 * 12 + 2,
        "follow_up_start": 10_000,
        "follow_up_end": 10_000 + round(years * 365.25) - 1,
        "known_until": 10_000 + round(years * 365.25) - 1,
        "visit_day": [10_957 + 366 * i for i in range(len(visits))],
        "visit_age": [600 + 12 * i for i in range(len(visits))],
        "code": [code for size in visits for code in range(size)],
        "visit": [i for i, size in enumerate(visits) for _ in range(size)],
    }


SUBJECTS = [
    sequence(1, "train", 2, [1, 2, 1, 4, 1], 8),
    sequence(2, "train", 1, [3, 1, 1, 1, 1, 1], 12),
    sequence(3, "held_out", 2, [1, 1, 1, 1, 2], 4),
    sequence(4, "train", 1, [], 4),
]
TASK = [
    {"subject_id": 1, "split": "train", "input_visits": 4, "label": [0], "known": [0]},
    {"subject_id": 2, "split": "train", "input_visits": 5, "label": [0, 2, 3], "known": [0]},
    {"subject_id": 3, "split": "held_out", "input_visits": 4, "label": [], "known": [0]},
]


@pytest.fixture
def tallies(tmp_path: Path) -> pl.DataFrame:
    shards = []
    for shard, rows in enumerate((SUBJECTS[:1], SUBJECTS[1:])):
        shards.append(tmp_path / f"{shard}.parquet")
        frame = pl.DataFrame(rows, schema=Sequences.create_empty().schema)
        Sequences.validate(frame).write_parquet(shards[-1])
    task = tmp_path / "T2.parquet"
    frame = pl.DataFrame(TASK, schema=TaskExamples.create_empty().schema)
    TaskExamples.validate(frame).write_parquet(task)
    return read_tallies(shards, [task])


def lookup(table: pl.DataFrame) -> dict[Key, float | None]:
    columns = ("task", "split", "measure", "statistic", "value")
    return {tuple(row[:4]): row[4] for row in table.select(columns).iter_rows()}


def test_the_table_by_hand(tallies: pl.DataFrame) -> None:
    table = tabulate(tallies, TASKS, Rules(1))
    value = lookup(table)

    def row(task: str, split: str, measure: str) -> dict[str, float | None]:
        return {key[3]: found for key, found in value.items() if key[:3] == (task, split, measure)}

    assert row("histories", "all", "eligible patients") == {"count": 4}
    assert row("histories", "all", "patients") == {"count": 3}  # the fourth has no visit
    assert row("histories", "train", "women") == {"share": 0.5}
    assert row("histories", "all", "visits a patient")["mean"] == pytest.approx(16 / 3, abs=1e-4)
    assert row("histories", "held_out", "diagnoses a visit")["mean"] == pytest.approx(6 / 5)

    assert row("T2", "all", "eligible patients") == {"count": 3}
    assert row("T2", "all", "patients") == {"count": 2}  # the third has no label
    assert row("T2", "held_out", "patients") == {"count": 0}
    assert row("T2", "held_out", "visits a patient") == {}
    # inputs of 4 and 5 visits with 1, 2, 1, 4 and 3, 1, 1, 1, 1 diagnoses
    assert row("T2", "train", "diagnoses a visit") == {
        "mean": pytest.approx(15 / 9, abs=1e-4),
        "lower quartile": 1,
        "median": 1,
        "upper quartile": 2,
    }
    assert row("T2", "train", "diseases a label")["mean"] == 2
    # born in March 1950; the last input visits are in January 2003 and 2004
    assert row("T2", "train", "age at the last visit in years")["mean"] == pytest.approx(
        (634 + 646) / 2 / 12, abs=1e-4
    )
    assert row("T2", "train", "follow-up in years")["mean"] == pytest.approx(10, abs=1e-3)
    assert table["task"].unique(maintain_order=True).to_list() == ["histories", "T2"]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_statistics_equal_numpy(values: list[int]) -> None:
    one = pl.DataFrame(
        {"task": "T1", "split": "train", "tally": "visits", "value": values, "count": 1}
    )
    found = {key[3]: value for key, value in lookup(describe(one, Rules(5))).items()}
    assert found["mean"] == pytest.approx(np.mean(values), abs=5e-5)
    for name, share in (("lower quartile", 0.25), ("median", 0.5), ("upper quartile", 0.75)):
        assert found[name] == np.quantile(values, share, method="inverted_cdf")


def counted(
    patients: dict[str, int], women: dict[str, int], eligible: dict[str, int]
) -> pl.DataFrame:
    rows = [
        ("T1", split, tally, 1, count)
        for tally, counts in (("patients", patients), ("women", women), ("eligible", eligible))
        for split, count in counts.items()
    ] + [("T1", split, "visits", 7, count) for split, count in patients.items()]
    return pl.DataFrame(rows, schema=["task", "split", "tally", "value", "count"], orient="row")


def test_small_groups_are_blank_and_cannot_be_found_by_subtraction() -> None:
    patients = {"train": 700, "tuning": 30, "held_out": 3}
    half = {split: count // 2 for split, count in patients.items()}
    value = lookup(tabulate(counted(patients, half, patients), TASKS, Rules(5)))
    blank = {key[1] for key, found in value.items() if found is None}
    assert blank == {"held_out", "tuning"}  # tuning, else all − train − tuning tells
    assert all(found is None for key, found in value.items() if key[1] in blank)
    assert value["T1", "all", "patients", "count"] == 733
    assert value["T1", "train", "visits a patient", "mean"] == 7


@pytest.mark.parametrize(
    ("patients", "blank"),
    [
        ({"train": 700, "tuning": 3, "held_out": 200}, {"train", "tuning"}),
        ({"train": 2, "tuning": 1, "held_out": 200}, {"train", "tuning", "all"}),
    ],
)
def test_a_small_split_cannot_be_found_by_the_held_out_patients_of_table_1(
    patients: dict[str, int], blank: set[str]
) -> None:
    value = lookup(tabulate(counted(patients, patients, patients), TASKS, Rules(5)))
    shown = {split: value["T1", split, "patients", "count"] for split in ("all", *patients)}
    assert {split for split, count in shown.items() if count is None} == blank


def test_a_small_difference_between_eligible_and_used_is_hidden() -> None:
    patients = {"train": 700, "tuning": 30, "held_out": 200}
    value = lookup(
        tabulate(
            counted(patients, patients, {"train": 800, "tuning": 34, "held_out": 300}),
            TASKS,
            Rules(5),
        )
    )
    assert value["T1", "tuning", "patients", "count"] is None
    assert value["T1", "held_out", "patients", "count"] is None
    assert value["T1", "train", "patients", "count"] == 700


def test_a_small_number_of_women_or_men_hides_the_share_alone() -> None:
    patients = {"train": 700, "tuning": 30, "held_out": 200}
    women = {"train": 350, "tuning": 28, "held_out": 100}
    value = lookup(tabulate(counted(patients, women, patients), TASKS, Rules(5)))
    assert value["T1", "tuning", "women", "share"] is None
    assert value["T1", "held_out", "women", "share"] is None
    assert value["T1", "tuning", "patients", "count"] == 30
    assert math.isclose(value["T1", "train", "women", "share"] or 0, 0.5)


@given(st.integers(8, 3000), st.data())
def test_means_fit_every_number_of_patients_behind_a_rounded_one(
    patients: int, data: st.DataObject
) -> None:
    """Else those of visits, diseases and months would together tell which it is."""
    rules = Rules(8, 5)
    total = data.draw(st.integers(patients, 9 * patients))
    most = pl.DataFrame(
        {
            "task": "T1",
            "split": "train",
            "tally": ["visits", "visits", "patients"],
            "value": [total // patients, total // patients + 1, 1],
            "count": [patients - total % patients, total % patients, patients],
        }
    )
    mean = {key[3]: value for key, value in lookup(describe(most, rules)).items()}["mean"]
    lowest, highest = rules.interval(int(rules.round(patients)))
    decimals = len(str(lowest)) - 1
    for other in range(lowest, highest + 1):
        assert round(round(mean * other) / other, decimals) == pytest.approx(mean)
