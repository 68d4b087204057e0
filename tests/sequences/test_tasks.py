"""Examples of tasks: by hand at boundary days, and against a plain reading of their definition."""

import calendar
import math
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from behrt import hashing
from behrt.errors import InputError
from behrt.sequences.frames import Sequences
from behrt.sequences.sequences import build_sequences
from behrt.sequences.tasks import draw_examples, draw_task, label_ends, visits_of, window_end
from behrt.sequences.vocabulary import Vocabulary
from behrt.tasks import Task

EPOCH = date(1970, 1, 1)
Visits = list[tuple[date, set[int]]]


def histories(
    subjects: dict[int, tuple[Visits, date]], split: str = "train", known: date | None = None
) -> dy.DataFrame[Sequences]:
    rows = [
        {
            "subject_id": subject,
            "split": split,
            "sex": 1,
            "region": 1,
            "practice": 1,
            "birth_month": 1950 * 12,
            "follow_up_start": 0,
            "follow_up_end": (end - EPOCH).days,
            "known_until": ((known or end) - EPOCH).days,
            "visit_day": [(day - EPOCH).days for day, _ in visits],
            "visit_age": [(day.year - 1950) * 12 + day.month - 1 for day, _ in visits],
            "code": [code for _, codes in visits for code in sorted(codes)],
            "visit": [i for i, (_, codes) in enumerate(visits) for _ in codes],
        }
        for subject, (visits, end) in subjects.items()
    ]
    return Sequences.validate(pl.DataFrame(rows, schema=Sequences.create_empty().schema))


def add_months(day: date, months: int) -> date:
    """Add calendar months, for comparison."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def visits_on(*days: str) -> Visits:
    """Return three early visits of disease 0, then disease i + 1 on the i-th day."""
    early: Visits = [(date(2000, 1, day), {0}) for day in (1, 2, 3)]
    return early + [(date.fromisoformat(day), {i + 1}) for i, day in enumerate(days)]


def draw_one(
    visits: Visits,
    end: str,
    months: int | None,
    minimum_visits: int = 4,
    known: date | None = None,
) -> tuple[int, list[int], list[int]] | None:
    """Return (j, label, known) of one subject, or None where it has no example."""
    frame = draw_examples(
        histories({1: (visits, date.fromisoformat(end))}, known=known),
        Task("T", months),
        minimum_visits,
        7,
    )
    if frame.is_empty():
        return None
    row = frame.row(0, named=True)
    return row["input_visits"], row["label"], row["known"]


def test_death_within_the_window_is_follow_up_if_deaths_are_labelled() -> None:
    visits = visits_on("2003-01-15", "2003-03-01", "2003-07-15")
    dies = "2003-07-15"
    for_ever = date(9999, 12, 31)
    # The paper's rule: only the window of the fourth visit, which ends on the day of death.
    assert draw_one(visits, dies, 6) == (4, [2, 3], [0, 1])
    assert draw_one(visits, "2003-07-14", 6) is None
    assert draw_one(visits[:5], "2003-07-14", 6, known=for_ever, minimum_visits=4) in (
        (4, [2], [0, 1]),
        (5, [], [0, 1, 2]),
    )
    only_last = draw_one(visits, dies, 6, known=for_ever, minimum_visits=6)
    assert only_last == (6, [], [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("day", "months", "end"),
    [
        ("2019-08-31", 6, "2020-02-29"),
        ("2018-08-31", 6, "2019-02-28"),
        ("2019-08-29", 6, "2020-02-29"),
        ("2020-02-29", 6, "2020-08-29"),
        ("2020-02-29", 12, "2021-02-28"),
        ("2019-02-28", 12, "2020-02-28"),
        ("2019-12-15", 6, "2020-06-15"),
        ("1969-08-31", 6, "1970-02-28"),
    ],
)
def test_windows_end_on_the_same_day_of_the_month_or_on_its_last(
    day: str, months: int, end: str
) -> None:
    start = pl.Series([(date.fromisoformat(day) - EPOCH).days], dtype=pl.Int32)
    found = pl.select(window_end(pl.lit(start), months)).item()
    assert EPOCH + timedelta(days=found) == date.fromisoformat(end)


def test_next_visit_needs_one_visit_more_than_the_input() -> None:
    four = visits_on("2000-01-04")
    assert draw_one(four, "2010-01-01", None) is None
    assert draw_one([*four, (date(2000, 5, 1), {5, 0})], "2010-01-01", None) == (
        4,
        [0, 5],  # a known disease counts in the label too
        [0, 1],
    )


def test_the_next_visit_is_the_next_with_a_diagnosis() -> None:
    """Visits without one, which other inputs make, count as visits of the input."""
    without: list[tuple[date, set[int]]] = [(date(2000, 1, day), set()) for day in (4, 5, 6)]
    visits = [*visits_on()[:1], *without]
    assert draw_one(visits, "2010-01-01", None) is None
    assert draw_one([*visits, (date(2000, 5, 1), {3})], "2010-01-01", None) == (4, [3], [0])
    after = [*visits, (date(2000, 2, 1), set()), (date(2000, 5, 1), {3})]
    assert draw_one(after, "2010-01-01", None, 5) == (5, [3], [0])


def test_an_input_may_have_no_diagnosis() -> None:
    visits: Visits = [(date(2000, 1, day), set()) for day in (1, 2, 3, 4)]
    assert draw_one([*visits, (date(2000, 2, 1), {5})], "2000-07-04", 6) == (4, [5], [])


def test_follow_up_must_reach_the_end_of_the_window_and_no_further() -> None:
    visits = visits_on("2010-08-31")
    assert draw_one(visits, "2011-02-27", 6) is None
    assert draw_one(visits, "2011-02-28", 6) == (4, [], [0, 1])
    assert draw_one(visits, "2011-08-30", 12) is None
    assert draw_one(visits, "2011-08-31", 12) == (4, [], [0, 1])


def test_follow_up_through_a_leap_day() -> None:
    visits = visits_on("2011-08-30")
    assert draw_one(visits, "2012-02-28", 6) is None
    assert draw_one(visits, "2012-02-29", 6) == (4, [], [0, 1])


def test_the_window_starts_after_the_visit_and_includes_its_last_day() -> None:
    """The fifth and sixth visits are on the last day of the window and one day after it."""
    visits = visits_on("2010-01-10", "2010-07-10", "2010-07-11")
    assert draw_one(visits, "2010-07-11", 6) == (4, [2], [0, 1])
    visits = visits_on("2010-01-10", "2010-01-11", "2011-01-10", "2011-01-11")
    assert draw_one(visits, "2011-01-10", 12) == (4, [2, 3], [0, 1])


def test_a_window_of_two_years() -> None:
    """From 29 February 2012 it ends on 28 February 2014, from 1 March 2012 on 1 March 2014."""
    visits = visits_on("2012-02-29", "2012-03-01", "2014-02-28", "2014-03-01")
    assert draw_one(visits, "2014-02-27", 24) is None
    assert draw_one(visits, "2014-02-28", 24) == (4, [2, 3], [0, 1])
    assert draw_one(visits, "2014-03-01", 24, minimum_visits=5) == (5, [3, 4], [0, 1, 2])


def test_an_input_may_end_with_the_last_visit() -> None:
    """Six months of follow-up count with or without a visit in them."""
    assert draw_one(visits_on("2010-01-10"), "2012-01-10", 6) == (4, [], [0, 1])


def test_death_on_the_day_of_a_visit_ends_follow_up_that_day() -> None:
    """The visit of that day is in the label if the window includes it, and never ends an input."""
    visits = visits_on("2010-01-10", "2010-07-10")
    assert draw_one(visits, "2010-07-10", 6) == (4, [2], [0, 1])
    assert draw_one(visits, "2010-07-10", None) == (4, [2], [0, 1])


def test_a_longer_minimum_moves_the_first_input() -> None:
    visits = visits_on(*[f"2001-01-{day:02d}" for day in range(1, 8)])
    assert draw_one(visits, "2010-01-01", None, minimum_visits=9) == (9, [7], list(range(7)))
    assert draw_one(visits, "2010-01-01", None, minimum_visits=10) is None


def test_inputs_end_uniformly_over_the_eligible_visits() -> None:
    visits = visits_on(*[f"2001-01-{day:02d}" for day in range(1, 7)])  # nine visits
    frame = histories({subject: (visits, date(2001, 7, 4)) for subject in range(4000)})
    for task, months, eligible in (("T1", None, range(4, 9)), ("T2", 6, range(4, 8))):
        counts = Counter(draw_examples(frame, Task(task, months), 4, 1)["input_visits"])
        assert set(counts) == set(eligible)
        expected = 4000 / len(eligible)
        chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
        assert chi_squared < 18.5  # the 99.9th percentile with four degrees of freedom


def test_tasks_and_seeds_draw_independently() -> None:
    visits = visits_on(*[f"2001-01-{day:02d}" for day in range(1, 7)])
    frame = histories({subject: (visits, date(2010, 1, 1)) for subject in range(500)})
    drawn = [
        draw_examples(frame, Task(task), 4, seed)["input_visits"].to_list()
        for task, seed in (("T1", 1), ("T2", 1), ("T1", 2))
    ]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


@st.composite
def subjects(draw: st.DrawFn) -> dict[int, tuple[Visits, date]]:
    people: dict[int, tuple[Visits, date]] = {}
    for subject in draw(st.sets(st.integers(1, 10_000), max_size=6)):
        gaps = draw(st.lists(st.integers(1, 200), min_size=0, max_size=12))
        codes = draw(
            st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=len(gaps), max_size=len(gaps))
        )
        day, visits = date(2003, 8, 20), []
        for gap, held in zip(gaps, codes, strict=True):
            day += timedelta(days=gap)
            visits.append((day, held))
        people[subject] = (visits, day + timedelta(days=draw(st.integers(0, 400))))
    return people


@settings(max_examples=80)
@given(subjects(), st.sampled_from([None, 6, 12, 24]), st.integers(1, 5), st.integers(0, 99))
def test_examples_equal_a_plain_reading_of_the_definition(
    people: dict[int, tuple[Visits, date]], months: int | None, minimum: int, seed: int
) -> None:
    drawn = draw_examples(histories(people, "tuning"), Task("T9", months), minimum, seed)
    expected = []
    for subject, (visits, end) in sorted(people.items()):
        n = len(visits)
        last = (
            n - 1
            if months is None
            else max(
                (j for j in range(1, n + 1) if add_months(visits[j - 1][0], months) <= end),
                default=0,
            )
        )
        if last < minimum:
            continue
        u = float(hashing.uniform(np.array([subject]), seed, "T9")[0])
        j = minimum + math.floor(u * (last - minimum + 1))
        known = set().union(*(codes for _, codes in visits[:j]))
        if months is None:
            label = visits[j][1]
        else:
            start = visits[j - 1][0]
            label = set().union(
                *(codes for day, codes in visits if start < day <= add_months(start, months))
            )
        expected.append((subject, "tuning", j, sorted(label), sorted(known)))
    assert drawn.rows() == expected


DISEASES = Vocabulary(tuple("abcdef"), ("Chapter",) * 6)
OTHERS = replace(DISEASES, concept_codes=("MEDICATION//1", "TEST//2"), concept_names=("m", "t"))


def sequences_of(
    people: dict[int, tuple[Visits, date]], others: list[tuple[int, date, str]]
) -> dy.DataFrame[Sequences]:
    """Return the sequences of the events of people and of `others` (subject, day, code)."""
    rows = list(others)
    for subject, (visits, end) in people.items():
        rows += [
            (subject, date(1950, 1, 1), "MEDS_BIRTH"),
            (subject, date(2003, 8, 20), "FOLLOW_UP//START"),
            (subject, end, "FOLLOW_UP//END"),
            *((subject, day, f"CODE//{'abcdef'[code]}") for day, held in visits for code in held),
        ]
    schema = {"subject_id": pl.Int64, "time": pl.Date, "code": pl.String}
    events = pl.DataFrame(rows, schema=schema, orient="row").cast({"time": pl.Datetime("us")})
    splits = pl.DataFrame({"subject_id": list(people)}).with_columns(split=pl.lit("train"))
    return build_sequences(events, splits, OTHERS if others else DISEASES)


def labels_at(sequences: pl.DataFrame, task: Task) -> dict[tuple[int, int], set[int]]:
    """Return the label of a prediction after each visit, by subject and day."""
    held: dict[tuple[int, int], set[int]] = {}
    for row in sequences.iter_rows(named=True):
        for code, visit in zip(row["code"], row["visit"], strict=True):
            held.setdefault((row["subject_id"], visit), set()).add(code)
    visits = visits_of(sequences.select("subject_id", "known_until", "visit_day", "visit"))
    return {
        (subject, day): set().union(*(held.get((subject, at), set()) for at in range(place, end)))
        for subject, day, place, end in label_ends(visits, task)
        .drop_nulls("label_end")
        .select("subject_id", "day", "place", "label_end")
        .iter_rows()
    }


@settings(max_examples=30)
@given(subjects(), st.sampled_from([None, 6]), st.integers(1, 4), st.data())
def test_words_of_other_inputs_change_no_label(
    people: dict[int, tuple[Visits, date]], months: int | None, minimum: int, data: st.DataObject
) -> None:
    """On days with a diagnosis, they change no example; on other days, no label of a given day."""
    people = {subject: of for subject, of in people.items() if of[0]}
    days = [(subject, day) for subject, (visits, _) in people.items() for day, _ in visits]
    assume(days)
    task = Task("T9", months)
    plain = sequences_of(people, [])
    of_days = data.draw(st.lists(st.sampled_from(days), min_size=1))
    same_days = sequences_of(people, [(*at, "TEST//2") for at in of_days])
    assert same_days["visit_day"].equals(plain["visit_day"])
    found, expected = (draw_examples(each, task, minimum, 3) for each in (same_days, plain))
    assert found.equals(expected)

    gaps = st.tuples(st.sampled_from(days), st.integers(0, 60))
    more = [
        (subject, min(day + timedelta(days=gap), people[subject][1]), "MEDICATION//1")
        for (subject, day), gap in data.draw(st.lists(gaps, min_size=1))
    ]
    other_days = labels_at(sequences_of(people, more), task)
    expected_labels = labels_at(plain, task)
    assert {at: other_days[at] for at in expected_labels} == expected_labels


def write_shards(frame: pl.DataFrame, folder: Path, shards: int) -> list[Path]:
    paths = []
    for shard in range(shards):
        paths.append(folder / f"{shards}-{shard}.parquet")
        frame.filter(hashing.shard_of(pl.col("subject_id"), shards) == shard).write_parquet(
            paths[-1]
        )
    return paths


@pytest.mark.parametrize("months", [None, 6])
def test_examples_do_not_depend_on_the_shards(tmp_path: Path, months: int | None) -> None:
    visits = visits_on(*[f"2001-{month:02d}-15" for month in range(1, 9)])
    frame = histories({subject: (visits, date(2002, 1, 1)) for subject in range(1, 60)})
    one, three = (
        draw_task(write_shards(frame, tmp_path, shards), Task("T1", months), 4, 5)
        for shards in (1, 3)
    )
    assert one.equals(three)
    assert one["subject_id"].to_list() == list(range(1, 60))


def test_a_task_without_any_example_is_refused(tmp_path: Path) -> None:
    frame = histories({1: (visits_on("2001-01-01"), date(2002, 1, 1))})
    with pytest.raises(InputError, match="no patient has 4 visits"):
        draw_task(write_shards(frame, tmp_path, 1), Task("T1"), 4, 5)
