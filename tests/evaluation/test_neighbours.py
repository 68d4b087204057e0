"""Nearest diseases against a plain loop, and the file that the embeddings come from."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from behrt.errors import InputError
from behrt.evaluation.embeddings import TENSOR, keep_told, patients_with, read_embeddings
from behrt.evaluation.neighbours import is_offered, tabulate
from behrt.sequences.vocabulary import Vocabulary


def test_nearest_diseases_equal_a_plain_loop(vocabulary: Vocabulary) -> None:
    embeddings = np.random.default_rng(4).normal(size=(12, 6)).astype(np.float32)
    common = np.arange(12) % 2 == 0
    seen = np.arange(12) != 5
    table = tabulate(embeddings, vocabulary, common, seen, 3)
    assert len(table) == 6 * 3
    for i in np.flatnonzero(common):
        cosines = {
            j: float(
                embeddings[i]
                @ embeddings[j]
                / np.linalg.norm(embeddings[i])
                / np.linalg.norm(embeddings[j])
            )
            for j in range(12)
            if j not in (i, 5)
        }
        expected = sorted(cosines, key=lambda j: -cosines[j])[:3]
        rows = table.filter(pl.col("disease") == vocabulary.phenotypes[i])
        assert rows["neighbour"].to_list() == [vocabulary.phenotypes[j] for j in expected]
        assert rows["rank"].to_list() == [1, 2, 3]
        assert rows["cosine"].to_list() == pytest.approx([cosines[j] for j in expected], abs=6e-5)
        assert rows["same_chapter"].to_list() == [i % 3 == j % 3 for j in expected]


@pytest.mark.parametrize(("threshold", "expected"), [(5, [3, 4]), (0, [1, 2, 3, 4])])
def test_a_disease_of_too_few_patients_is_nobodys_neighbour(
    threshold: int, expected: list[int]
) -> None:
    patients = np.array([0, 1, 4, 5, 900])
    assert np.flatnonzero(is_offered(patients, threshold)).tolist() == expected


def test_a_disease_that_is_not_offered_is_not_asked_about(vocabulary: Vocabulary) -> None:
    embeddings = np.random.default_rng(4).normal(size=(12, 6))
    offered = np.arange(12) > 3
    table = tabulate(embeddings, vocabulary, np.ones(12, dtype=bool), offered, 3)
    hidden = set(vocabulary.phenotypes[:4])
    assert not hidden & {*table["disease"], *table["neighbour"]}
    assert table["disease"].n_unique() == 8


def test_fewer_diseases_than_neighbours(vocabulary: Vocabulary) -> None:
    embeddings = np.eye(12, dtype=np.float32)
    seen = np.arange(12) < 3
    assert len(tabulate(embeddings, vocabulary, seen, seen, 10)) == 3 * 2
    assert tabulate(embeddings, vocabulary, seen & False, seen, 10).is_empty()


def test_embeddings_are_those_of_the_diseases(tmp_path: Path, vocabulary: Vocabulary) -> None:
    words = np.random.default_rng(0).normal(size=(len(vocabulary), 4)).astype(np.float32)
    save_file({TENSOR: words}, tmp_path / "model.safetensors")
    read = read_embeddings(tmp_path / "model.safetensors", vocabulary)
    np.testing.assert_array_equal(read, words[5:])
    save_file({TENSOR: words[1:]}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="embeds 16 words"):
        read_embeddings(tmp_path / "model.safetensors", vocabulary)
    save_file({"other": words}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="no tensor"):
        read_embeddings(tmp_path / "model.safetensors", vocabulary)


def test_the_tensor_is_behrts() -> None:
    from behrt.models.behrt import Behrt
    from behrt.settings.behrt import Settings

    model = Behrt(Settings(hidden=8, layers=1, heads=2, intermediate=8), n_diseases=12)
    assert model.state_dict()[TENSOR].shape == (5 + 12, 8)


def test_only_training_patients_count_and_each_once(tmp_path: Path) -> None:
    code = pl.List(pl.Int16)
    for shard, rows in enumerate(
        [
            {"split": ["train", "held_out", "train"], "code": [[0, 0, 1], [2], []]},
            {"split": ["train", "tuning"], "code": [[1], [1]]},
        ]
    ):
        pl.DataFrame(rows, schema_overrides={"code": code}).write_parquet(
            tmp_path / f"{shard}.parquet"
        )
    counts, patients = patients_with([tmp_path / "0.parquet", tmp_path / "1.parquet"], 4)
    assert counts.tolist() == [1, 2, 0, 0]
    assert patients == 3


def test_diseases_of_too_few_patients_are_left_out(vocabulary: Vocabulary) -> None:
    patients = np.array([0, 4, 5, 90, *[3] * 7, 6])
    embeddings = np.arange(24.0).reshape(12, 2)
    words, rows, left = keep_told(vocabulary, embeddings, patients, 5)
    assert words.phenotypes == ("Disease 02", "Disease 03", "Disease 11")
    assert words.chapters == ("Chapter 2", "Chapter 0", "Chapter 2")
    assert rows.tolist() == [[4, 5], [6, 7], [22, 23]]
    assert left.tolist() == [5, 90, 6]
