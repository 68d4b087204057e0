"""Words of other concepts: which codes become words, and what is counted."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from behrt.concepts import concept_of
from behrt.errors import InputError
from behrt.sequences.concept_words import (
    concept_of_code,
    count_concept_codes,
    with_concept_words,
)
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary, write_vocabulary

DISEASES = Vocabulary(("Asthma", "Gout"), ("Lungs", "Joints"))
SPLITS = pl.DataFrame(
    {"subject_id": [1, 2, 3, 4], "split": ["train", "train", "held_out", "train"]}
)
EVENTS = [
    (1, "2001-01-01", "TEST//HbA1c//HIGH"),
    (1, "2002-01-01", "TEST//HbA1c//HIGH"),  # one patient
    (2, "2001-01-01", "TEST//HbA1c//HIGH"),
    (2, "2001-01-01", "MEDICATION//BNF//06"),
    (4, "2011-01-01", "MEDICATION//BNF//06"),
    (3, "2001-01-01", "TEST//HbA1c//DONE"),  # held out
    (1, "2001-01-01", "PROCEDURE//OPCS4//K40"),  # not among the inputs
    (1, "2001-01-01", "CALIBER//Gout"),
]
METADATA = pl.DataFrame(
    {"code": ["TEST//HbA1c//HIGH", "SEX//male"], "description": ["HbA1c, high", "Male"]}
)
INPUTS = ["medications", "tests"]


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Return two shards of MEDS data; a subject is in one of them."""
    frame = pl.DataFrame(
        [(subject, datetime.fromisoformat(day), code) for subject, day, code in EVENTS],
        schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String},
        orient="row",
    )
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    frame.filter(pl.col("subject_id") < 3).write_parquet(paths[0])
    frame.filter(pl.col("subject_id") >= 3).write_parquet(paths[1])
    return paths


def test_codes_of_enough_training_patients_are_words(shards: list[Path], tmp_path: Path) -> None:
    counts = count_concept_codes(shards, SPLITS, INPUTS)
    assert counts.rows() == [
        ("MEDICATION//BNF//06", "medications", 2, 2),
        ("TEST//HbA1c//DONE", "tests", 1, 0),
        ("TEST//HbA1c//HIGH", "tests", 3, 2),
    ]
    found, manifest = with_concept_words(DISEASES, counts, METADATA, INPUTS, 2)
    assert found.concept_codes == ("MEDICATION//BNF//06", "TEST//HbA1c//HIGH")
    assert found.names == ("Asthma", "Gout", "MEDICATION//BNF//06", "HbA1c, high")
    assert found.concepts == {"medications": 1, "tests": 1}
    assert manifest["tests"] == {
        "words": 1,
        "events": 3,
        "rare_codes": 1,
        "rare_events": 1,
        "cannot_be_shown_codes": 0,
        "cannot_be_shown_events": 0,
    }
    assert found.version != DISEASES.version == found.of_diseases().version
    write_vocabulary(found, tmp_path / "vocabulary.json")
    assert read_vocabulary(tmp_path / "vocabulary.json") == found


def test_only_what_is_before_the_cut_off_counts(shards: list[Path]) -> None:
    counts = count_concept_codes(shards, SPLITS, ["medications"], date(2010, 1, 1))
    assert counts["patients"].to_list() == [1]


def test_an_input_without_a_word_is_refused(shards: list[Path]) -> None:
    counts = count_concept_codes(shards, SPLITS, INPUTS)
    with pytest.raises(InputError, match=r"config, inputs: no code of tests \(TEST//…\) is in"):
        with_concept_words(DISEASES, counts.filter(concept="medications"), METADATA, INPUTS, 1)


def test_a_code_has_the_concept_of_its_prefix() -> None:
    codes = [code for *_, code in EVENTS]
    found = pl.DataFrame({"code": codes}).select(concept_of_code(pl.col("code")))
    assert found.to_series().to_list() == [concept_of(code) for code in codes]
