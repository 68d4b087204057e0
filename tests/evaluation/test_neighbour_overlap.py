"""Overlap with references, by hand and against a plain loop, and the permutation test."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.evaluation.neighbour_overlap import (
    pairs_of_chapters,
    pairs_of_risks,
    read_reference,
    shuffle_within,
    tabulate,
)
from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary

EVERYBODY = np.ones(12, dtype=bool)
PATIENTS = np.arange(12) * 10 + 10


def chapters_apart() -> np.ndarray:
    """Return embeddings in which each of the three chapters has a corner of its own."""
    noise = np.random.default_rng(0).normal(scale=0.01, size=(12, 3))
    return np.eye(3)[np.arange(12) % 3] + noise


def overlap_of(
    embeddings: np.ndarray,
    vocabulary: Vocabulary,
    pairs: np.ndarray,
    common: np.ndarray = EVERYBODY,
    offered: np.ndarray = EVERYBODY,
    neighbours: int = 3,
) -> pl.DataFrame:
    return tabulate(
        embeddings,
        vocabulary,
        PATIENTS,
        common,
        offered,
        neighbours,
        {"table": pairs},
        permutations=199,
        seed=1,
    )


def test_the_overlap_of_one_disease_by_hand(vocabulary: Vocabulary) -> None:
    angles = np.radians(np.arange(12) * 7)
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    only_first = np.arange(12) == 0
    # the three nearest of 0 are 1, 2 and 3
    for pairs, expected in (
        ([[0, 1], [0, 3]], 1.0),
        ([[0, 1], [0, 9]], 0.5),
        ([[0, 1], [0, 9], [0, 10], [0, 11]], 1 / 3),
        ([[0, 1], [0, 2], [0, 3], [0, 11]], 1.0),
        ([[1, 0]], None),
    ):
        table = overlap_of(embeddings, vocabulary, np.array(pairs), common=only_first)
        if expected is None:
            assert table["overlap"].null_count() == len(table)
            assert table["left_out"].to_list() == [1, 1, 1]
        else:
            assert table["overlap"].to_list() == pytest.approx([expected] * 3, abs=6e-5)
            assert table["diseases"].to_list() == [1, 1, 1]


def test_a_neighbour_that_is_not_offered_cannot_be_missed(vocabulary: Vocabulary) -> None:
    angles = np.radians(np.arange(12) * 7)
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pairs = np.array([[0, 1], [0, 11]])
    table = overlap_of(embeddings, vocabulary, pairs, offered=np.arange(12) < 11)
    assert table["overlap"][0] == 1.0


def test_the_overlap_equals_a_plain_loop(vocabulary: Vocabulary) -> None:
    random = np.random.default_rng(5)
    embeddings = random.normal(size=(12, 4))
    pairs = np.argwhere(random.random((12, 12)) < 0.3)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    common = np.arange(12) % 3 != 0
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    shares = []
    for i in np.flatnonzero(common):
        nearest = sorted((j for j in range(12) if j != i), key=lambda j: -(unit[i] @ unit[j]))[:3]
        named = {int(j) for d, j in pairs if d == i}
        if named:
            shares.append(len(named & {*nearest}) / min(3, len(named)))
    table = overlap_of(embeddings, vocabulary, pairs, common=common)
    assert table["overlap"][0] == pytest.approx(np.mean(shares), abs=6e-5)
    assert table["diseases"][0] == len(shares)


def test_what_is_there_is_found_and_chance_is_not(vocabulary: Vocabulary) -> None:
    pairs = pairs_of_chapters(vocabulary)
    found = overlap_of(chapters_apart(), vocabulary, pairs).row(0, named=True)
    assert found["overlap"] == 1.0
    assert found["p_value"] == 1 / 200
    # each of 3 nearest is one of 3 of the chapter among 11 others
    assert found["expected"] == pytest.approx(3 / 11, abs=0.03)
    ends = []
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(size=(12, 6))
        ends.append(overlap_of(noise, vocabulary, pairs)["p_value"][0])
    assert np.median(ends) > 0.1


def test_chapters_are_no_news_within_chapters(vocabulary: Vocabulary) -> None:
    pairs = pairs_of_chapters(vocabulary)
    table = overlap_of(chapters_apart(), vocabulary, pairs)
    within = table.filter(shuffled="diseases of a chapter").row(0, named=True)
    assert within["p_value"] == 1.0
    assert within["expected"] == within["overlap"]
    named = tabulate(
        chapters_apart(),
        vocabulary,
        PATIENTS,
        EVERYBODY,
        EVERYBODY,
        3,
        {"chapters": pairs},
        permutations=99,
        seed=1,
    )
    assert named["shuffled"].to_list() == ["all diseases", "diseases of alike frequency"]


def test_everybody_stays_in_their_group() -> None:
    groups = np.array([2, 0, 1, 0, 2, 2, 1, 0])
    seen = set()
    for seed in range(60):
        order = shuffle_within(groups, np.random.default_rng(seed))
        assert sorted(order) == [*range(8)]
        np.testing.assert_array_equal(groups[order], groups)
        seen.add(tuple(order.tolist()))
    assert len(seen) > 30


def test_a_disease_without_a_chapter_is_in_nobodys() -> None:
    words = Vocabulary(("a", "b", "c", "d"), ("x", NO_CHAPTER, "x", NO_CHAPTER))
    assert pairs_of_chapters(words).tolist() == [[0, 2], [2, 0]]


def test_risks_count_in_both_directions(tmp_path: Path, vocabulary: Vocabulary) -> None:
    names = [*reversed(vocabulary.phenotypes)]
    pl.DataFrame({"name": names}).write_parquet(tmp_path / "diseases.parquet")
    pl.DataFrame({"parent": [0, 1], "child": [1, 0]}).write_parquet(tmp_path / "graph.parquet")
    files = tmp_path / "graph.parquet", tmp_path / "diseases.parquet"
    assert pairs_of_risks(*files, vocabulary).tolist() == [[10, 11], [11, 10]]
    with pytest.raises(InputError, match="has no 'Disease 00'"):
        pairs_of_risks(*files, Vocabulary(vocabulary.phenotypes[1:], vocabulary.chapters[1:]))


def test_the_users_table_is_read(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = tmp_path / "lists.csv"
    path.write_text('\ufeffdisease,neighbour\n"Disease 03",Disease 01\nDisease 00,Disease 11\n')
    assert read_reference(path, vocabulary).tolist() == [[0, 11], [3, 1]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "first line is not disease,neighbour"),
        ("neighbour,disease\nDisease 00,Disease 01\n", "first line is not disease,neighbour"),
        ("disease,neighbour\n", "it has no pair"),
        ("disease,neighbour\nDisease 00\n", "line 2: it has 1 values"),
        (
            "disease,neighbour\nDisease 00,Disease 01\nDisease 00,Diseases 02\n",
            "line 3: there is no disease 'Diseases 02'. Did you mean 'Disease 02'",
        ),
        ("disease,neighbour\nDisease 00,Disease 00\n", "its own neighbour"),
        (
            "disease,neighbour\nDisease 00,Disease 01\nDisease 00,Disease 01\n",
            "line 3: the pair is also on line 2",
        ),
        ('disease,neighbour\n"Disease 00,Disease 01\n', "cannot be read as a CSV file"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    text: str, problem: str, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    path = tmp_path / "lists.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_reference(path, vocabulary)
