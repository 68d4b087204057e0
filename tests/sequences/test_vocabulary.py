"""The vocabulary: a fixed order, a version that follows the words, and strict reading."""

import json
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.sequences.vocabulary import (
    FIRST_DISEASE,
    SPECIAL,
    Vocabulary,
    build_vocabulary,
    read_vocabulary,
    write_vocabulary,
)


def codes(rows: list[tuple[str, list[str] | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"code": pl.String, "parent_codes": pl.List(pl.String)}, orient="row"
    )


def test_phenotypes_are_sorted_by_code_point_and_other_codes_are_ignored() -> None:
    vocabulary = build_vocabulary(
        codes(
            [
                ("MEDS_BIRTH", None),
                ("CALIBER//gout", ["CHAPTER//Joints"]),
                ("CALIBER//Ménière disease", ["ICD10//H81", "CHAPTER//Ear"]),
                ("CALIBER//Zoster", ["CHAPTER//Skin"]),
                ("VISIT//GP", []),
            ]
        )
    )
    assert vocabulary.phenotypes == ("Ménière disease", "Zoster", "gout")
    assert vocabulary.chapters == ("Ear", "Skin", "Joints")
    assert len(vocabulary) == FIRST_DISEASE + 3 == 8


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_the_metadata_does_not_matter(names: list[str], random: Random) -> None:
    rows = [(f"CALIBER//{name}", ["CHAPTER//A"]) for name in names]
    shuffled = random.sample(rows, len(rows))
    assert build_vocabulary(codes(shuffled)) == build_vocabulary(codes(rows))
    assert build_vocabulary(codes(rows)).phenotypes == tuple(sorted(names))


def test_it_is_read_back_as_written(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("Asthma", "Gout"), ("Lungs", "Joints"))
    write_vocabulary(vocabulary, tmp_path / "vocabulary.json")
    assert read_vocabulary(tmp_path / "vocabulary.json") == vocabulary
    written = json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8"))
    assert written["special"] == list(SPECIAL)
    assert written["version"] == vocabulary.version


def test_a_source_s_own_codes_are_words_and_may_have_no_chapter() -> None:
    rows: list[tuple[str, list[str] | None]] = [
        ("CODE//ICD10CM/I10", ["OMOP/320128"]),
        ("CALIBER//Gout", ["CHAPTER//Joints"]),
        ("LAB//50912", None),
        ("CODE//OMOP//201826", None),
    ]
    vocabulary = build_vocabulary(codes(rows))
    assert vocabulary.phenotypes == ("Gout", "ICD10CM/I10", "OMOP//201826")
    assert vocabulary.chapters == ("Joints", "No chapter", "No chapter")


def test_the_version_depends_on_the_words_and_their_order() -> None:
    version = Vocabulary(("Asthma", "Gout"), ("Lungs", "Joints")).version
    assert version != Vocabulary(("Gout", "Asthma"), ("Joints", "Lungs")).version
    assert version != Vocabulary(("AsthmaGout",), ("Lungs",)).version
    assert version == Vocabulary(("Asthma", "Gout"), ("Chest", "Joints")).version


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([(f"CODE//{i}", None) for i in range(33_000)], "33000 words, more than"),
        ([("CALIBER//Gout", None), ("CODE//Gout", None)], "listed twice"),
        ([("MEDS_BIRTH", None)], "no code starts with"),
        ([("CALIBER//Gout", ["CHAPTER//A"])] * 2, "listed twice"),
        ([("CALIBER//Gout", ["CHAPTER//A", "CHAPTER//B"])], "has 2 parents"),
    ],
)
def test_metadata_that_gives_no_vocabulary_is_refused(
    rows: list[tuple[str, list[str] | None]], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        build_vocabulary(codes(rows))


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    write_vocabulary(Vocabulary(("Asthma", "Gout"), ("Lungs", "Joints")), path)
    path.write_text(path.read_text(encoding="utf-8").replace("Asthma", "Angina"), encoding="utf-8")
    with pytest.raises(InputError, match="do not match their version"):
        read_vocabulary(path)
