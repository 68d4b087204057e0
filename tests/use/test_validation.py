"""Histories in the words of a model of another vocabulary."""

from dataclasses import replace

import polars as pl
import pytest

from behrt.errors import InputError
from behrt.sequences.frames import ConceptSequences, Sequences
from behrt.sequences.vocabulary import Vocabulary
from behrt.use.validation import with_words_of

INPUTS = ("diagnoses", "medications", "tests")
OWN = Vocabulary(("Asthma", "Gout", "Local", "Stroke"), ("x",) * 4)
MODEL = Vocabulary(("Angina", "Asthma", "Gout", "Stroke"), ("x",) * 4)


def histories() -> pl.DataFrame:
    rows = [
        {"subject_id": 1, "visit_day": [10, 20, 30], "code": [2, 1, 2, 3], "visit": [0, 1, 1, 2]},
        {"subject_id": 2, "visit_day": [10], "code": [2], "visit": [0]},
        {"subject_id": 3, "visit_day": [], "code": [], "visit": []},
    ]
    fixed = {"split": "train", "sex": 1, "region": 1, "practice": 1, "birth_month": 0}
    fixed |= {"follow_up_start": 0, "follow_up_end": 99, "known_until": 99}
    for row in rows:
        row |= {"visit_age": [day // 10 for day in row["visit_day"]], **fixed}
    return Sequences.validate(pl.DataFrame(rows).select(Sequences.column_names()), cast=True)


def test_words_that_the_model_does_not_know_are_left_out() -> None:
    found = with_words_of(histories(), OWN, MODEL, INPUTS, shared_words=True)
    assert Sequences.is_valid(found)
    lists = found.select("visit_day", "visit_age", "code", "visit").rows()
    assert lists == [([20, 30], [2, 3], [2, 3], [0, 1]), ([], [], [], []), ([], [], [], [])]


def test_another_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="3 of the run's 4 words are among the model's 4"):
        with_words_of(histories(), OWN, MODEL, INPUTS, shared_words=False)


def test_a_vocabulary_without_a_shared_word_is_refused() -> None:
    with pytest.raises(InputError, match="0 of the run's 1 words"):
        with_words_of(histories(), Vocabulary(("Local",), ("x",)), MODEL, INPUTS, shared_words=True)


def test_the_same_vocabulary_changes_nothing() -> None:
    assert with_words_of(histories(), OWN, OWN, INPUTS, shared_words=False).equals(histories())


OTHERS = replace(
    MODEL,
    concept_codes=("MEDICATION//a", "TEST//b", "TEST//c"),
    concept_names=("a", "b", "c"),
)
OWN_OTHERS = replace(MODEL, concept_codes=("MEDICATION//b", "TEST//c"), concept_names=("b", "c"))


def with_others() -> pl.DataFrame:
    """Return `histories` with medication b (word 4) on the first day, test c (5) on all three."""
    others = {"concept": [[4, 5, 5, 5], [], []], "concept_visit": [[0, 0, 1, 2], [], []]}
    types = {"concept": pl.List(pl.Int16), "concept_visit": pl.List(pl.Int16)}
    return histories().hstack(pl.DataFrame(others, schema=types))


def test_words_of_other_inputs_that_the_model_does_not_know_are_left_out() -> None:
    """The diseases are the same, so the words need not be."""
    found = with_words_of(with_others(), OWN_OTHERS, OTHERS, INPUTS, shared_words=False)
    assert ConceptSequences.is_valid(found)
    row = found.row(0, named=True)
    assert (row["concept"], row["concept_visit"]) == ([6, 6, 6], [0, 1, 2])
    diagnoses = with_words_of(with_others(), OWN_OTHERS, MODEL, INPUTS, shared_words=False)
    assert diagnoses.equals(histories())


def test_an_input_of_the_model_that_the_run_does_not_read_is_refused() -> None:
    with pytest.raises(InputError, match="config, inputs: the model reads medications"):
        with_words_of(histories(), MODEL, OTHERS, INPUTS, shared_words=True)
    read = ["diagnoses"]  # a model's own inputs may be fewer than the words of its vocabulary
    found = with_words_of(histories(), MODEL, OTHERS, read, shared_words=False)
    assert found["concept"].list.len().to_list() == [0, 0, 0]
    assert found.select(Sequences.column_names()).equals(histories())
