"""The weights of an ensemble against brute force, and what it refuses."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from behrt.errors import InputError
from behrt.learning.artefacts import read_config, read_weights
from behrt.learning.examples import Examples
from behrt.learning.predictions import write_predictions
from behrt.learning.run import Compute, TrainingRun
from behrt.models.ensemble import Settings, fit, least_cross_entropy, pooled, read_members


def cross_entropy(scores: np.ndarray, labels: np.ndarray, weights: tuple[float, ...]) -> float:
    mixed = sum(weight * member for weight, member in zip(weights, scores, strict=True))
    return float(-np.log(np.where(labels, mixed, 1 - mixed)).mean())


@pytest.mark.parametrize("seed", range(3))
def test_no_weights_on_a_grid_have_a_lower_cross_entropy(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.uniform(0.05, 0.95, (3, 7, 4))
    labels = random.random((7, 4)) < (scores[0] + scores[2]) / 2
    weights = least_cross_entropy(scores, labels)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    least = cross_entropy(scores, labels, tuple(weights))
    steps = np.linspace(0, 1, 51)
    for first, second in itertools.product(steps, steps):
        if first + second <= 1:
            others = (first, second, 1 - first - second)
            assert cross_entropy(scores, labels, others) >= least - 1e-9


def test_the_weights_do_not_depend_on_the_number_of_threads() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(0.01, 0.99, (3, 200, 40))
    labels = random.random(scores[0].shape) < scores[0]
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            found.append(least_cross_entropy(scores, labels).tobytes())
    assert len(set(found)) == 1


def test_a_member_that_knows_the_labels_gets_all_the_weight() -> None:
    labels = np.random.default_rng(1).random((50, 3)) < 0.3
    scores = np.stack([np.full(labels.shape, 0.3), np.where(labels, 1.0, 0.0)])
    assert least_cross_entropy(scores, labels) == pytest.approx([0, 1], abs=1e-4)
    mean = pooled(scores, np.array([0.25, 0.75]))
    assert mean.dtype == np.float32
    assert mean == pytest.approx(np.where(labels, 0.825, 0.075))


def test_the_weights_depend_on_the_patients_who_choose_them_only(
    build_examples: Callable[..., Examples],
    draw_patients: Callable[[int, int], Any],
    tmp_path: Path,
) -> None:
    everyone = build_examples(draw_patients(40, 1))
    choosing = everyone.select(np.arange(0, 40, 2))
    random = np.random.default_rng(2)
    scores = random.uniform(0.01, 0.99, (2, 40, everyone.n_diseases)).astype(np.float32)
    changed = scores.copy()
    changed[:, 1::2] = random.random(changed[:, 1::2].shape)
    settings = Settings(of=("one", "two"))
    found = []
    for name, given in (("a", scores), ("b", changed)):
        paths = [tmp_path / f"{member}_{name}.parquet" for member in settings.of]
        order = random.permutation(40)
        for path, member in zip(paths, given, strict=True):
            write_predictions(everyone.subject_id[order], member[order], path)
        subject_id, read = read_members(paths)
        assert np.array_equal(read, given)
        run = TrainingRun(tmp_path / name, Compute(1), facts={"kind": "ensemble"})
        found.append(fit(read, subject_id, choosing, settings, run))
        assert np.array_equal(read_weights(run.folder)["weights"], found[-1])
        assert read_config(run.folder)["settings"] == {"of": ["one", "two"]}
        assert "tuning_aps" in json.loads((run.folder / "metrics.jsonl").read_text())
    assert np.array_equal(found[0], found[1])
    labels = choosing.label_matrix(np.arange(20))
    assert np.array_equal(found[0], least_cross_entropy(scores[:, ::2], labels))


def test_members_of_other_patients_are_refused(
    build_examples: Callable[..., Examples],
    draw_patients: Callable[[int, int], Any],
    tmp_path: Path,
) -> None:
    scores = np.full((3, 12), 0.5, dtype=np.float32)
    write_predictions(np.arange(3), scores, tmp_path / "one.parquet")
    write_predictions(np.arange(1, 4), scores, tmp_path / "two.parquet")
    with pytest.raises(InputError, match=r"two\.parquet: its patients or diseases are not those"):
        read_members([tmp_path / "one.parquet", tmp_path / "two.parquet"])
    choosing = build_examples(draw_patients(5, 1))
    run = TrainingRun(tmp_path, Compute(1))
    with pytest.raises(InputError, match="patients who choose the weights"):
        fit(np.stack([scores, scores]), np.arange(3), choosing, Settings(of=("a", "b")), run)
