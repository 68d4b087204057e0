"""What every model with a method of its own keeps to, and each one's own definition."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import lightgbm as library
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from behrt.errors import InputError
from behrt.learning.artefacts import read_weights
from behrt.learning.examples import Examples
from behrt.learning.features import ages, counts
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings
from behrt.models import (
    bag_of_words,
    boltzmann_machine,
    deep_patient,
    lightgbm,
    logistic_regression,
    model_named,
    skip_gram,
)

Build = Callable[..., Examples]
Draw = Callable[[int, int], list[Any]]
SETTINGS: dict[str, dict[str, Any]] = {
    "logistic_regression": {"penalties": [1]},
    "bag_of_words": {"penalties": [1]},
    "skip_gram": {"size": 16, "penalties": [1]},
    "boltzmann_machine": {"hidden": 30, "penalties": [1]},
    "deep_patient": {
        "hidden": 20,
        "layers": 2,
        "epochs": 4,
        "batch_size": 16,
        "penalties": [1],
    },
    "lightgbm": {"trees": 20, "minimum_patients": 5},
}
SAMPLED = {"times": True, "controls": 1, "diseases": 4}
PROGRAM = """
import importlib.util, json, sys
from pathlib import Path

from behrt.learning.run import Compute, TrainingRun, read_settings
from behrt.models import model_named

spec = importlib.util.spec_from_file_location("small", sys.argv[1])
small = importlib.util.module_from_spec(spec)
spec.loader.exec_module(small)
train, tuning = small.build(small.draw(300, 1)), small.build(small.draw(60, 2))
for place, (kind, settings) in json.loads(sys.argv[2]).items():
    model = model_named(kind)
    run = TrainingRun(Path(sys.argv[3]) / place, Compute(3, threads=int(sys.argv[4])))
    model.fit(train, tuning, model.Settings(**settings), None, None, run)
"""


@pytest.fixture(params=SETTINGS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fitted(
    model: ModuleType, settings: dict[str, Any], train: Examples, tuning: Examples, folder: Path
) -> TrainingRun:
    run = TrainingRun(folder, Compute(7))
    model.fit(train, tuning, model.Settings(**settings), None, None, run)
    return run


def test_learns_a_planted_rule_and_writes_it_down(
    kind: str, build_examples: Build, draw_patients: Draw, tmp_path: Path
) -> None:
    model = model_named(kind)
    train, tuning, held_out = (
        build_examples(draw_patients(n, seed)) for n, seed in ((400, 4), (100, 5), (200, 6))
    )
    run = fitted(model, SETTINGS[kind], train, tuning, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
    }
    scores = model.predict(held_out, run)
    assert scores.shape == (200, 12)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores.argmax(axis=1) == held_out.labels).mean() > 0.85
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["tuning_aps"] > 0.85
    alone = np.concatenate([model.predict(held_out.select(np.array([i])), run) for i in range(5)])
    np.testing.assert_allclose(alone, scores[:5], atol=1e-5)


def test_the_bytes_depend_on_no_threads_and_no_hash_seed(
    build_examples: Build, draw_patients: Draw, tmp_path: Path
) -> None:
    """In this process, and in one with two threads and another hash seed."""
    models = {kind: (kind, settings) for kind, settings in SETTINGS.items()}
    for kind in ("lightgbm", "logistic_regression"):
        models[f"{kind}_sampled"] = (kind, SETTINGS[kind] | SAMPLED)
    train, tuning = build_examples(draw_patients(300, 1)), build_examples(draw_patients(60, 2))
    with threadpool_limits(1):
        for place, (kind, settings) in models.items():
            model = model_named(kind)
            run = TrainingRun(tmp_path / "a" / place, Compute(3, threads=1))
            model.fit(train, tuning, model.Settings(**settings), None, None, run)
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    limits = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "2"}
    arguments = (str(Path(__file__).with_name("conftest.py")), json.dumps(models))
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, str(tmp_path / "b"), "2"],
        env={**kept, **limits},
        check=True,
    )
    for model in models:
        for name in ("config.json", "model.safetensors", "metrics.jsonl"):
            one, two = ((tmp_path / place / model / name).read_bytes() for place in "ab")
            assert one == two, (model, name)


def test_refuses_what_it_cannot_use(
    kind: str, build_examples: Build, draw_patients: Draw, tmp_path: Path
) -> None:
    model = model_named(kind)
    examples = build_examples(draw_patients(5, 1))
    run = TrainingRun(tmp_path, Compute(1))
    settings = model.Settings(**SETTINGS[kind])
    training = Optimisation(epochs=1, batch_size=1, learning_rate=1.0)
    with pytest.raises(InputError, match="training"):
        model.fit(examples, examples, settings, training, None, run)
    with pytest.raises(InputError, match="pretrained"):
        model.fit(examples, examples, settings, None, tmp_path / "x", run)
    nobody = examples.select(np.array([], dtype=np.int64))
    with pytest.raises(InputError, match="tuning examples: there are none"):
        model.fit(examples, nobody, settings, None, None, run)
    if kind != "lightgbm":
        with pytest.raises(InputError, match="penalties"):
            read_settings(model.Settings, {"penalties": []})


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (skip_gram, {"size": 0}),
        (skip_gram, {"epochs": 1.5}),
        (boltzmann_machine, {"hidden": 0}),
        (boltzmann_machine, {"learning_rate": 0}),
        (deep_patient, {"noise": 1.0}),
        (deep_patient, {"layers": 0}),
        (deep_patient, {"learning_rate": -1}),
        (lightgbm, {"leaves": 1}),
        (lightgbm, {"ridge": -1}),
        (lightgbm, {"learning_rate": 0}),
    ],
)
def test_settings_are_strict(model: ModuleType, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_settings(model.Settings, wrong)


def test_logistic_regression_reads_logarithms_of_counts_sex_and_age(build_examples: Build) -> None:
    examples = build_examples([(2, [(0, [1, 3]), (400, [3])], [])])
    (row,) = logistic_regression.features(examples).toarray()
    expected = {1: np.log(2), 3: np.log(3), 12 + 2: 1, 12 + 3 + 10: 1}
    assert set(np.flatnonzero(row)) == set(expected)
    for place, value in expected.items():
        assert row[place] == pytest.approx(value)


def test_the_bag_of_words_is_scikit_learns(build_examples: Build, draw_patients: Draw) -> None:
    train, others = build_examples(draw_patients(50, 1)), build_examples(draw_patients(9, 2))
    transformer = TfidfTransformer().fit(counts(train))
    vectors = bag_of_words.vectors(bag_of_words.rarity(train), others).toarray()
    np.testing.assert_allclose(vectors, transformer.transform(counts(others)).toarray(), atol=1e-6)


def test_skip_gram_brings_diseases_that_occur_together_near(build_examples: Build) -> None:
    generator = np.random.default_rng(1)
    patients = []
    for patient in range(300):
        group = [0, 1, 2, 3] if patient % 2 else [4, 5, 6, 7]
        visits = [(day, [int(generator.choice(group))]) for day in range(8)]
        patients.append((1, visits, [9]))
    train = build_examples(patients)
    learned = skip_gram.disease_vectors(train, skip_gram.Settings(size=16), seed=1)
    assert not learned[8:].any()
    unit = learned[:8] / np.linalg.norm(learned[:8], axis=1, keepdims=True)
    near = unit @ unit.T
    assert near[:4, :4].min() > near[:4, 4:].max()
    two = build_examples([(1, [(0, [1]), (1, [1]), (2, [5])], [])])
    expected = (2 * learned[1] + learned[5]) / 4
    np.testing.assert_allclose(skip_gram.patient_vectors(learned, two)[0], expected, rtol=1e-5)


def test_the_boltzmann_machines_vectors_are_scikit_learns(
    build_examples: Build, draw_patients: Draw, tmp_path: Path
) -> None:
    train = build_examples(draw_patients(60, 1))
    settings = {"hidden": 5, "epochs": 3, "batch_size": 10, "learning_rate": 0.1, "penalties": [1]}
    fitted(boltzmann_machine, settings, train, train, tmp_path)
    weights = read_weights(tmp_path)
    machine = BernoulliRBM(5, learning_rate=0.1, batch_size=10, n_iter=3, random_state=7)
    expected = machine.fit_transform((counts(train) > 0).astype(np.float32))
    actual = boltzmann_machine.patient_vectors(
        weights["machine.weight"], weights["machine.bias"], train
    )
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_autoencoders_learn_to_restore_their_input(
    build_examples: Build, draw_patients: Draw, tmp_path: Path
) -> None:
    train = build_examples(draw_patients(200, 1))
    highest = deep_patient.highest_counts(train)
    counted = counts(train).toarray()
    assert highest[0] == pytest.approx(np.percentile(counted[:, 0][counted[:, 0] > 0], 99))
    assert highest[11] == 1
    values = deep_patient.inputs(highest, train)
    assert values.min() == 0
    assert values.max() == 1
    fitted(deep_patient, {"hidden": 8, "layers": 3, "epochs": 2}, train, train, tmp_path)
    weights = read_weights(tmp_path)
    sizes = [tuple(weights[f"encoder.{layer}.weight"].shape) for layer in range(3)]
    assert sizes == [(8, 12), (8, 8), (8, 8)]
    hidden = values.numpy()
    for layer in range(3):
        weight, bias = weights[f"encoder.{layer}.weight"], weights[f"encoder.{layer}.bias"]
        hidden = 1 / (1 + np.exp(-(hidden @ weight.T + bias)))
    np.testing.assert_allclose(deep_patient.patient_vectors(weights, train), hidden, atol=1e-5)
    # Patients with the same counts have the same vector, and others another.
    same = build_examples([(1, [(0, [1]), (9, [2])], []), (1, [(0, [2]), (9, [1])], [])])
    other = build_examples([(1, [(0, [1]), (9, [3])], [])])
    first, second = deep_patient.patient_vectors(weights, same)
    assert (first == second).all()
    assert (first != deep_patient.patient_vectors(weights, other)[0]).any()


@pytest.mark.parametrize("at_once", [400, 600])
def test_trees_are_lightgbms_and_rare_diseases_have_their_prevalence(
    at_once: int,
    build_examples: Build,
    draw_patients: Draw,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of each disease do not depend on which diseases are grown together."""
    monkeypatch.setattr("behrt.models.lightgbm.SCORES_AT_ONCE", at_once)
    patients = draw_patients(200, 1)
    train = build_examples(
        [(s, v, [*y, *([5] if i < 7 else [])]) for i, (s, v, y) in enumerate(patients)]
    )
    settings = {"trees": 5, "minimum_labels": 8, "minimum_patients": 3}
    run = fitted(lightgbm, settings, train, train, tmp_path)
    scores = lightgbm.predict(train, run)
    weights = read_weights(tmp_path)
    parts = [[9, 10, 11]] if at_once == 600 else [[9, 10], [11]]
    assert [weights[f"diseases.{2 * part}"].tolist() for part in range(len(parts))] == parts
    assert sum(name.startswith("trees.") for name in weights) == len(parts)
    assert scores[:, 5] == pytest.approx(7 / 200)
    assert not scores[:, 6].any()
    assert weights["trees.0"].tobytes().decode().startswith("tree\n")
    dense = np.column_stack([counts(train).toarray(), ages(train), train.sex])
    other = library.LGBMClassifier(
        n_estimators=5,
        num_leaves=8,
        min_child_samples=3,
        reg_lambda=10.0,
        learning_rate=0.1,
        verbosity=-1,
    )
    for disease in (9, 10, 11):
        label = train.label_matrix(np.arange(200))[:, disease]
        other.fit(dense, label, categorical_feature=[13])
        expected = other.predict_proba(dense)[:, 1]
        np.testing.assert_allclose(scores[:, disease], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["lightgbm", "logistic_regression"])
def test_small_training_sets_change_what_is_learned_little(
    kind: str,
    build_examples: Build,
    draw_patients: Draw,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one control per case, the mean prediction stays that of all patients."""
    monkeypatch.setattr("behrt.learning.case_control.LEAST_CONTROLS", 1)
    patients = draw_patients(1500, 4)
    rare = np.random.default_rng(1).random(1500) < 0.1
    train = build_examples(
        [(s, v, [*y, *([5] if r else [])]) for (s, v, y), r in zip(patients, rare, strict=True)]
    )
    model = model_named(kind)
    run = fitted(model, SETTINGS[kind] | SAMPLED, train, train, tmp_path)
    scores = model.predict(train, run)
    labels = train.label_matrix(np.arange(1500))
    seen = labels.any(axis=0)
    assert scores[:, seen].mean(axis=0) == pytest.approx(labels[:, seen].mean(axis=0), abs=0.03)
    assert scores[:, ~seen].max() < 0.001
    assert (scores.argmax(axis=1) == train.labels[train.label_offsets[1:] - 1])[~rare].mean() > 0.9


def test_models_that_are_counted_or_grown_need_no_torch() -> None:
    models = ", ".join(f"behrt.models.{kind}" for kind in ("prevalence", "history", "lightgbm"))
    asked = f"import sys, {models}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True)
