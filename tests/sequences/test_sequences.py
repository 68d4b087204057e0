"""Visit sequences: what a visit is, what is left out, and what every MEDS dataset may lack."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.sequences.frames import ConceptSequences, Sequences
from behrt.sequences.sequences import EXCLUDE, LABEL, NEVER, build_sequences
from behrt.sequences.vocabulary import Vocabulary

NAMES = ("Acne", "Asthma", "Gout", "Stroke")
WORDS = Vocabulary(NAMES, ("Skin", "Lungs", "Joints", "Brain"))
Event = tuple[int, str | None, str]

STATIC: list[Event] = [
    (1, None, "SEX//female"),
    (1, None, "REGION//4"),
    (1, None, "PRACTICE//812"),
    (1, "1950-07-01", "MEDS_BIRTH"),
]
FOLLOW_UP: list[Event] = [
    (1, "1999-01-01", "FOLLOW_UP//START"),
    (1, "2010-12-31", "FOLLOW_UP//END"),
]


def events(rows: list[Event]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (subject, datetime.fromisoformat(day) if day else None, code)
            for subject, day, code in rows
        ],
        schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String},
        orient="row",
    )


def build(rows: list[Event], split: str = "train") -> dict[str, Any]:
    frame = events(rows)
    subjects = frame["subject_id"].unique().sort()
    splits = pl.DataFrame({"subject_id": subjects, "split": [split] * len(subjects)})
    return build_sequences(frame, splits, WORDS).row(0, named=True)


def days(*dates: str) -> list[int]:
    return [(date.fromisoformat(day) - date(1970, 1, 1)).days for day in dates]


def test_a_subject_by_hand() -> None:
    row = build(
        [
            *STATIC,
            *FOLLOW_UP,
            (1, "2000-02-29", "VISIT//GP"),
            (1, "2000-02-29", "CALIBER//Gout"),
            (1, "2000-02-29", "CALIBER//Acne"),
            (1, "2000-03-01", "VISIT//GP"),  # no diagnosis: dropped
            (1, "2000-03-02", "VISIT//GP"),
            (1, "2000-03-02", "VISIT//HOSPITAL"),
            (1, "2000-03-02", "CALIBER//Stroke"),
            (1, "2000-03-02", "MEDS_DEATH"),
        ],
        "tuning",
    )
    assert row == {
        "subject_id": 1,
        "split": "tuning",
        "sex": 2,
        "region": 4,
        "practice": 812,
        "birth_month": 1950 * 12 + 6,
        "follow_up_start": days("1999-01-01")[0],
        "follow_up_end": days("2010-12-31")[0],
        "known_until": days("2010-12-31")[0],
        "visit_day": days("2000-02-29", "2000-03-02"),
        # months since January 1950, as the released code counts, whatever the month of birth
        "visit_age": [601, 602],
        "code": [0, 2, 3],
        "visit": [0, 0, 1],
    }


def test_practice_and_hospital_on_one_day_are_one_visit_and_a_disease_counts_once() -> None:
    row = build(
        [
            *STATIC,
            (1, "2001-05-05T00:00:00", "CALIBER//Gout"),
            (1, "2001-05-05T11:30:00", "CALIBER//Gout"),
            (1, "2001-05-05T23:59:59", "CALIBER//Asthma"),
        ]
    )
    assert (row["code"], row["visit"]) == ([1, 2], [0, 0])
    assert row["visit_day"] == days("2001-05-05")


def test_a_subject_without_a_diagnosis_has_a_row() -> None:
    row = build([*STATIC, *FOLLOW_UP, (1, "2000-03-01", "VISIT//GP")])
    assert (row["visit_day"], row["visit_age"], row["code"], row["visit"]) == ([], [], [], [])


def test_follow_up_is_by_default_from_the_first_to_the_last_event_after_birth() -> None:
    row = build(
        [
            *STATIC,
            (1, "2003-01-02", "LAB//HbA1c"),
            (1, "2004-01-02", "CALIBER//Gout"),
            (1, "2005-01-02", "MEDS_DEATH"),
        ]
    )
    assert [row["follow_up_start"], row["follow_up_end"]] == days("2003-01-02", "2005-01-02")


def test_sex_region_and_practice_may_be_missing_or_contradictory() -> None:
    birth: Event = (1, "1950-07-01", "MEDS_BIRTH")
    row = build([birth])
    assert (row["sex"], row["region"], row["practice"]) == (0, None, None)
    assert build([birth, (1, None, "SEX//male")])["sex"] == 1
    assert build([birth, (1, None, "SEX//unknown")])["sex"] == 0
    assert build([birth, (1, None, "SEX//male"), (1, None, "SEX//female")])["sex"] == 0


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [*STATIC, (1, "2000-01-01", "CALIBER//Plague")],
            "'CALIBER//Plague' and 0 other codes are not in the vocabulary",
        ),
        ([*STATIC, (1, None, "CALIBER//Gout")], "a diagnosis has no time"),
        ([(1, "2000-01-01", "CALIBER//Gout")], "no MEDS_BIRTH"),
        ([*STATIC, (1, "1949-12-31", "CALIBER//Gout")], "before its subject's year of birth"),
        (
            [
                *STATIC,
                (1, "2000-01-02", "FOLLOW_UP//START"),
                (1, "2000-01-01", "FOLLOW_UP//END"),
            ],
            "ends before it starts",
        ),
    ],
)
def test_events_that_cannot_be_used_are_refused(rows: list[Event], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        build(rows)


def test_a_subject_without_a_split_is_refused() -> None:
    splits = pl.DataFrame({"subject_id": [2], "split": ["train"]})
    with pytest.raises(InputError, match="has no split"):
        build_sequences(events(STATIC), splits, WORDS)


WITH_OTHERS = replace(
    WORDS, concept_codes=("MEDICATION//BNF//06", "TEST//HbA1c//HIGH"), concept_names=("", "")
)


def test_other_inputs_by_hand() -> None:
    rows: list[Event] = [
        *STATIC,
        (1, "2000-01-05", "TEST//HbA1c//HIGH"),  # no diagnosis on this day
        (1, "2000-01-06", "TEST//HbA1c//HIGH"),
        (1, "2000-01-06T12:00", "TEST//HbA1c//HIGH"),
        (1, "2000-01-06", "CALIBER//Gout"),
        (1, "2000-01-06", "MEDICATION//BNF//06"),
        (1, "2000-01-07", "TEST//HbA1c//RARE"),  # not a word: no visit
    ]
    splits = pl.DataFrame({"subject_id": [1], "split": ["train"]})
    found = build_sequences(events(rows), splits, WITH_OTHERS)
    row = found.row(0, named=True)
    assert row["visit_day"] == days("2000-01-05", "2000-01-06")
    assert (row["code"], row["visit"]) == ([2], [1])
    assert (row["concept"], row["concept_visit"]) == ([5, 4, 5], [0, 1, 1])
    assert found.schema == ConceptSequences.create_empty().schema
    undated: list[Event] = [*STATIC, (1, None, "TEST//HbA1c//HIGH")]
    with pytest.raises(InputError, match="test or measurement has no time"):
        build_sequences(events(undated), splits, WITH_OTHERS)


def test_an_empty_shard_gives_an_empty_frame() -> None:
    splits = pl.DataFrame({"subject_id": [2], "split": ["train"]})
    frame = build_sequences(events([]), splits, WORDS)
    assert frame.is_empty()
    assert frame.schema == Sequences.create_empty().schema


DIAGNOSES = st.lists(
    st.tuples(
        st.integers(1, 4), st.dates(date(1960, 1, 1), date(1960, 2, 10)), st.sampled_from(NAMES)
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(DIAGNOSES, st.randoms(use_true_random=False))
def test_sequences_equal_a_plain_reading_in_any_order_of_events(
    diagnoses: list[tuple[int, date, str]], random: Random
) -> None:
    births = [(subject, "1950-01-01", "MEDS_BIRTH") for subject in range(1, 5)]
    rows = births + [
        (subject, day.isoformat(), f"CALIBER//{name}") for subject, day, name in diagnoses
    ]
    splits = pl.DataFrame({"subject_id": [1, 2, 3, 4], "split": ["train"] * 4})
    frame = build_sequences(events(rows), splits, WORDS)

    histories: dict[int, dict[date, set[int]]] = defaultdict(lambda: defaultdict(set))
    for subject, day, name in diagnoses:
        histories[subject][day].add(NAMES.index(name))
    for row in frame.iter_rows(named=True):
        visits = sorted(histories[row["subject_id"]].items())
        assert row["visit_day"] == [(day - date(1970, 1, 1)).days for day, _ in visits]
        assert row["visit_age"] == [(day.year - 1950) * 12 + day.month - 1 for day, _ in visits]
        assert list(zip(row["visit"], row["code"], strict=True)) == [
            (visit, code) for visit, (_, codes) in enumerate(visits) for code in sorted(codes)
        ]

    random.shuffle(rows)
    assert build_sequences(events(rows), splits, WORDS).equals(frame)


def test_after_a_death_in_follow_up_everything_is_known_if_deaths_are_labelled() -> None:
    splits = pl.DataFrame({"subject_id": [1], "split": ["train"]})
    (end,) = days("2010-12-31")
    for died, cut_off, known in (
        ("2010-12-30", None, NEVER),
        ("2010-12-31", None, NEVER),
        ("2011-01-01", None, end),  # after registration has ended
        ("2010-12-31", date(2010, 12, 31), end - 1),  # in the part that is held out
        (None, None, end),
    ):
        rows: list[Event] = [*STATIC, *FOLLOW_UP, (1, "2005-01-01", "CALIBER//Gout")]
        rows += [(1, died, "MEDS_DEATH")] if died else []
        for death, expected in ((LABEL, known), (EXCLUDE, min(known, end))):
            row = build_sequences(events(rows), splits, WORDS, "events", cut_off, death).row(
                0, named=True
            )
            assert row["known_until"] == expected
            assert row["follow_up_end"] == min(known, end)
