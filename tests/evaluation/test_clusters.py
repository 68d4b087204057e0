"""Which clusters of the map are enlarged."""

import numpy as np

from behrt.evaluation.clusters import find_clusters
from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary

CENTRES = np.array([[0, 0], [10, 0], [0, 10], [10, 10], [20, 0], [20, 10]])


def world(chapters: list[list[str]]) -> tuple[np.ndarray, Vocabulary]:
    """Return a map with a heap of diseases at each centre, of the given chapters."""
    random = np.random.default_rng(3)
    places = np.concatenate(
        [
            centre + random.normal(scale=0.3, size=(len(heap), 2))
            for centre, heap in zip(CENTRES, chapters, strict=False)
        ]
    )
    flat = [chapter for heap in chapters for chapter in heap]
    return places, Vocabulary(tuple(f"{i:03d}" for i in range(len(flat))), tuple(flat))


def test_the_purest_heaps_are_found_one_a_chapter() -> None:
    heaps = [
        ["a"] * 7 + ["x"],
        ["b"] * 8,
        ["c"] * 8,
        ["a", "b", "c", "x", "y", "a", "b", "c"],
        ["a"] * 8,
        ["x"] * 4 + ["y"] * 4,
    ]
    places, vocabulary = world(heaps)
    found = find_clusters(places, vocabulary, np.ones(48, dtype=bool))
    assert [cluster.chapter for cluster in found[:3]] == ["b", "c", "a"]
    assert found[0].diseases.tolist() == [*range(8, 16)]
    assert found[2].diseases.tolist() == [*range(32, 40)]
    assert found[2].of_chapter == 8
    assert len(found) == 4
    assert found[3].diseases.tolist() == [*range(40, 48)]
    assert len({cluster.chapter for cluster in found}) == 4


def test_a_disease_that_is_not_drawn_is_in_no_cluster() -> None:
    places, vocabulary = world([["a"] * 9, ["b"] * 9])
    drawn = np.arange(18) % 9 != 0
    found = find_clusters(places, vocabulary, drawn)
    assert [cluster.diseases.tolist() for cluster in found] == [[*range(1, 9)], [*range(10, 18)]]


def test_few_diseases_and_no_chapters_make_no_cluster() -> None:
    places, vocabulary = world([["a"] * 9, ["b"] * 9])
    assert find_clusters(places, vocabulary, np.arange(18) < 9) == []
    places, vocabulary = world([[NO_CHAPTER] * 9, [NO_CHAPTER] * 9])
    assert find_clusters(places, vocabulary, np.ones(18, dtype=bool)) == []
