"""MEDS data as inputs: what counts at a prediction time, and what is left out and counted."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from behrt.errors import InputError
from behrt.sequences.vocabulary import Vocabulary
from behrt.use.inputs import (
    BEFORE_BIRTH,
    NO_BIRTH,
    NO_DIAGNOSIS,
    NO_SUBJECT,
    OUTSIDE_FOLLOW_UP,
    UNDATED,
    UNKNOWN_OTHERS,
    UNKNOWN_WORDS,
    Inputs,
    read_inputs,
)

Event = tuple[int, str | None, str]

EVENTS: list[Event] = [
    (7, None, "SEX//female"),
    (7, "1950-03-01", "MEDS_BIRTH"),
    (7, "2001-01-05", "LAB//1"),
    (7, "2001-05-02", "CALIBER//Disease 03"),
    (7, "2001-05-02T15:00", "CALIBER//Disease 01"),
    (7, "2003-01-09", "CALIBER//Disease 03"),
    (8, "1960-01-01", "MEDS_BIRTH"),
    (8, "2000-01-01", "FOLLOW_UP//START"),
    (8, "2002-02-02", "CALIBER//Disease 11"),
]


def frame(events: list[Event]) -> pl.DataFrame:
    times = [None if time is None else datetime.fromisoformat(time) for _, time, _ in events]
    subjects, _, codes = zip(*events, strict=True)
    return pl.DataFrame(
        {"subject_id": subjects, "time": times, "code": codes},
        schema_overrides={"time": pl.Datetime("us")},
    )


def times(*rows: tuple[int, str]) -> pl.DataFrame:
    subjects, at = zip(*rows, strict=True)
    return pl.DataFrame(
        {"subject_id": subjects, "prediction_time": [datetime.fromisoformat(day) for day in at]}
    )


def read(
    data: Any, vocabulary: Vocabulary, at: pl.DataFrame | None = None, **options: Any
) -> tuple[Inputs, dict[str, int]]:
    refused: Counter[str] = Counter()
    (inputs,) = read_inputs(data, at, vocabulary, refused, **options)
    return inputs, {reason: number for reason, number in refused.items() if number}


def histories(inputs: Inputs) -> list[list[tuple[int, list[int]]]]:
    """Return, for each row, the age and the diseases of each visit."""
    examples = inputs.examples
    return [
        [
            (
                int(examples.visit_age[visit]),
                examples.codes[
                    examples.code_offsets[visit] : examples.code_offsets[visit + 1]
                ].tolist(),
            )
            for visit in range(examples.visit_offsets[row], examples.visit_offsets[row + 1])
        ]
        for row in range(len(examples))
    ]


def test_without_times_the_input_is_the_whole_history(vocabulary: Vocabulary) -> None:
    inputs, refused = read(frame(EVENTS), vocabulary)
    assert histories(inputs) == [[(616, [1, 3]), (636, [3])], [(505, [11])]]
    assert inputs.rows["visits"].to_list() == [2, 1]
    assert inputs.rows["prediction_time"].to_list() == [datetime(2003, 1, 9), datetime(2002, 2, 2)]
    assert inputs.examples.sex.tolist() == [2, 0]
    first_days = [datetime(2001, 1, 5), datetime(2000, 1, 1)]
    assert inputs.examples.follow_up_start.tolist() == [
        (day - datetime(1970, 1, 1)).days for day in first_days
    ]
    assert refused == {}


def test_words_of_other_inputs_that_the_model_has_are_read(vocabulary: Vocabulary) -> None:
    known = replace(vocabulary, concept_codes=("TEST//HbA1c//HIGH",), concept_names=("high",))
    others: list[Event] = [
        (7, "2001-05-02", "TEST//HbA1c//HIGH"),
        (7, "2002-05-02", "TEST//HbA1c//HIGH"),
        (7, "2002-05-03", "TEST//HbA1c//DONE"),  # not known
        (7, "2002-05-04", "MEDICATION//a"),  # no input of the model
    ]
    inputs, refused = read(frame(EVENTS + others), known)
    assert histories(inputs)[0] == [(616, [1, 3, 12]), (628, [12]), (636, [3])]
    assert inputs.examples.concepts == {"tests": 1}
    assert refused == {UNKNOWN_OTHERS: 1}
    without, refused = read(frame(EVENTS + others), vocabulary)
    assert histories(without)[0] == [(616, [1, 3]), (636, [3])]
    assert refused == {}


def test_an_input_ends_at_its_time_to_the_hour(vocabulary: Vocabulary) -> None:
    at = times((7, "2003-01-09"), (7, "2001-05-02T14:59"), (7, "2001-05-02T15:00"))
    inputs, _ = read(frame(EVENTS), vocabulary, at)
    assert histories(inputs) == [
        [(616, [3])],
        [(616, [1, 3])],
        [(616, [1, 3]), (636, [3])],
    ]


def test_what_comes_after_the_time_changes_no_input(vocabulary: Vocabulary) -> None:
    at = times((7, "2001-05-02"), (8, "2002-02-02"))
    later: list[Event] = [(7, "2001-05-03", "CALIBER//Disease 09"), (8, "2009-01-01", "MEDS_DEATH")]
    before, _ = read(frame(EVENTS), vocabulary, at)
    after, _ = read(frame(EVENTS + later), vocabulary, at)
    assert before.rows.equals(after.rows)
    for name, array in before.examples.arrays().items():
        assert array.tolist() == after.examples.arrays()[name].tolist()


def test_what_is_left_out_is_counted(vocabulary: Vocabulary) -> None:
    wrong: list[Event] = [
        (7, "2001-06-01", "CALIBER//Unheard of"),
        (7, None, "CALIBER//Disease 02"),
        (8, "1959-12-31", "CALIBER//Disease 02"),
        (9, "2001-06-01", "CALIBER//Disease 02"),
        (10, "1970-01-01", "MEDS_BIRTH"),
    ]
    at = times((7, "2001-05-02"), (7, "2000-01-01"), (10, "2000-01-01"), (99, "2000-01-01"))
    inputs, refused = read(frame(EVENTS + wrong), vocabulary, at)
    assert inputs.rows["subject_id"].to_list() == [7]
    assert refused == {
        UNKNOWN_WORDS: 1,
        UNDATED: 1,
        BEFORE_BIRTH: 1,
        NO_BIRTH: 1,
        NO_DIAGNOSIS: 2,
        NO_SUBJECT: 1,
    }


def test_diagnoses_count_in_follow_up_only(vocabulary: Vocabulary) -> None:
    bounds: list[Event] = [
        (7, "2001-05-03", "FOLLOW_UP//START"),
        (7, "2003-01-08", "CALIBER//Disease 02"),
        (7, "2003-01-08", "FOLLOW_UP//END"),
        (8, "1999-12-31", "CALIBER//Disease 02"),
        (8, "2000-01-01", "CALIBER//Disease 04"),
        (8, "2002-02-01", "MEDS_DEATH"),
    ]
    inputs, refused = read(frame(EVENTS + bounds), vocabulary)
    assert histories(inputs) == [[(636, [2])], [(480, [4])]]
    assert refused == {OUTSIDE_FOLLOW_UP: 5}


def test_further_columns_of_the_times_are_kept(vocabulary: Vocabulary) -> None:
    at = times((8, "2005-01-01"), (7, "2005-01-01")).with_columns(
        boolean_value=pl.Series([True, False])
    )
    inputs, _ = read(frame(EVENTS), vocabulary, at)
    assert inputs.rows.select("subject_id", "boolean_value").rows() == [(7, False), (8, True)]


def dataset(folder: Path, words: list[str]) -> Path:
    for split, subject in (("train", 7), ("held_out", 8)):
        (folder / "data" / split).mkdir(parents=True)
        frame([event for event in EVENTS if event[0] == subject]).write_parquet(
            folder / "data" / split / "0.parquet"
        )
    (folder / "metadata").mkdir()
    codes = pl.DataFrame({"code": [f"CALIBER//{word}" for word in words]})
    codes = codes.with_columns(parent_codes=pl.lit(None, pl.List(pl.String)))
    codes.write_parquet(folder / "metadata" / "codes.parquet")
    return folder


def test_a_dataset_is_read_file_by_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    folder = dataset(tmp_path / "meds", list(vocabulary.phenotypes))
    refused: Counter[str] = Counter()
    parts = list(read_inputs(folder, None, vocabulary, refused))
    assert [part.rows["subject_id"].to_list() for part in parts] == [[8], [7]]


def test_another_vocabulary_is_refused_unless_its_shared_words_are_wanted(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    folder = dataset(tmp_path / "meds", ["Disease 03", "Something else"])
    with pytest.raises(InputError, match="1 of its 2 words are among the model's 12"):
        list(read_inputs(folder, None, vocabulary, Counter()))
    for part in ("data", "data/train", "data/train/0.parquet"):
        with pytest.raises(InputError, match="1 of its 2 words are among the model's 12"):
            list(read_inputs(folder / part, None, vocabulary, Counter()))
    assert len(list(read_inputs(folder, None, vocabulary, Counter(), shared_words=True))) == 2


def test_a_description_of_codes_needs_no_parents(tmp_path: Path, vocabulary: Vocabulary) -> None:
    folder = dataset(tmp_path / "meds", list(vocabulary.phenotypes))
    codes = folder / "metadata" / "codes.parquet"
    pl.read_parquet(codes).drop("parent_codes").write_parquet(codes)
    assert len(list(read_inputs(folder, None, vocabulary, Counter()))) == 2


def test_a_subject_in_several_files_is_refused(tmp_path: Path, vocabulary: Vocabulary) -> None:
    for name, part in (("a", EVENTS[:5]), ("b", EVENTS[5:])):
        frame(part).write_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="a subject is in several files"):
        list(read_inputs(tmp_path, None, vocabulary, Counter()))


@pytest.mark.parametrize(
    ("data", "at", "problem"),
    [
        (frame(EVENTS).drop("code"), None, "data: it has no column code"),
        (frame(EVENTS).with_columns(time=pl.lit("x")), None, "another type than in MEDS"),
        (frame(EVENTS).with_columns(time=pl.lit(11444)), None, "another type than in MEDS"),
        (frame(EVENTS).with_columns(subject_id=pl.lit(7.5)), None, "another type than in MEDS"),
        (frame(EVENTS).with_columns(code=pl.lit(None, pl.String)), None, "code has empty cells"),
        (frame(EVENTS), pl.DataFrame({"subject_id": [7]}), "prediction times: it has no column"),
    ],
)
def test_data_that_are_not_meds_are_refused(
    data: pl.DataFrame, at: pl.DataFrame | None, problem: str, vocabulary: Vocabulary
) -> None:
    with pytest.raises(InputError, match=problem):
        list(read_inputs(data, at, vocabulary, Counter()))


def test_a_folder_without_data_is_refused(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError, match="there is no Parquet file"):
        list(read_inputs(tmp_path, None, vocabulary, Counter()))
