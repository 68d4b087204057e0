"""Near patients and what they share, by hand and against scikit-learn."""

import numpy as np
import polars as pl
import pytest
from sklearn.neighbors import NearestNeighbors

from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.patient_neighbours import compare_vectors, nearest_patients, shared_futures


def test_the_nearest_are_those_of_scikit_learn() -> None:
    vectors = np.random.default_rng(3).normal(3.0, size=(1500, 6)).astype(np.float32)
    ours = nearest_patients(vectors, 5)
    search = NearestNeighbors(n_neighbors=6, metric="cosine")
    centred = vectors - vectors.mean(axis=0)
    theirs = search.fit(centred).kneighbors(centred, return_distance=False)[:, 1:]
    assert [set(row) for row in ours.tolist()] == [set(row) for row in theirs.tolist()]


def test_shares_by_hand() -> None:
    futures = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=bool)
    nearest = np.array([[1, 2], [0, 3], [0, 1], [1, 2]])
    shared, chance = shared_futures(nearest, futures, futures)
    # Patient 0: one of two neighbours has each disease. Patient 2: of diseases 1 and 2, one of two
    # neighbours has the first, none the second.
    assert shared[:3].tolist() == [0.5, 0.5, 0.25]
    assert chance[:3].tolist() == pytest.approx([(1 / 3 + 1 / 3) / 2, 1 / 3, (1 / 3 + 0) / 2])
    assert np.isnan(shared[3])
    assert np.isnan(chance[3])
    new = futures & np.array([[0, 1, 1]] * 4, dtype=bool)
    shared, _ = shared_futures(nearest, futures, new)
    assert shared[0] == 0.5
    assert np.isnan(shared[1])


def test_vectors_that_know_the_future_have_a_lift_and_random_ones_have_none() -> None:
    generator = np.random.default_rng(4)
    group = generator.integers(0, 4, 400)
    labels = generator.random((400, 8)) < 0.05
    labels[np.arange(400), group] = True
    vectors = {
        "knows": np.eye(4)[group] + generator.normal(0, 0.1, (400, 4)),
        "random": generator.normal(size=(400, 4)),
    }
    known = np.zeros_like(labels)
    known[:, 0] = True
    table = compare_vectors(vectors, labels, known, 10, Bootstrap(100, 1), "T2")
    knows, random = (
        table.filter(pl.col("model") == name, pl.col("labels") == "all").row(0, named=True)
        for name in vectors
    )
    assert knows["lift"] > 2
    assert knows["lift_low"] > random["lift_high"]
    assert random["lift"] == pytest.approx(1, abs=0.1)
    assert knows["chance"] == random["chance"]
    first = table.filter(pl.col("labels") == "first_incidence")
    without = int((~(labels & ~known).any(axis=1)).sum())
    assert first["undefined"].to_list() == [without, without]
