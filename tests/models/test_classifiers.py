"""What every trained baseline keeps to."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings
from behrt.models import deepcare, deepr, doctor_ai, retain

Build = Callable[..., Examples]
Draw = Callable[[int, int], list[Any]]
SETTINGS = {
    deepr: deepr.Settings(embedding_size=16, filters=8, sex_size=4, minimum_uses=1, dropout=0.1),
    retain: retain.Settings(embedding_size=16, hidden_size=8, sex_size=4, dropout=0.1),
    doctor_ai: doctor_ai.Settings(embedding_size=16, hidden_size=8, sex_size=4, dropout=0.1),
    deepcare: deepcare.Settings(
        embedding_size=16, hidden_size=8, inner_size=16, sex_size=4, dropout=0.1
    ),
}
NETWORKS = {
    deepr: deepr.Deepr,
    retain: retain.Retain,
    doctor_ai: doctor_ai.DoctorAI,
    deepcare: deepcare.DeepCare,
}
OPTIMISATION = Optimisation(epochs=12, batch_size=32, learning_rate=0.01, patience=12)


def untrained(kind: ModuleType, examples: Examples) -> nn.Module:
    """Return a model whose classifier does not hide what lies below it."""
    torch.manual_seed(0)
    model = NETWORKS[kind](SETTINGS[kind], examples.n_diseases, examples.n_words)
    model.prepare(examples)
    nn.init.normal_(model.classifier.weight)
    return model.eval()


def logits(kind: ModuleType, model: nn.Module, examples: Examples, rows: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model(**kind.collate(SETTINGS[kind], examples, np.array(rows), None)).numpy()


@pytest.fixture(params=list(NETWORKS), ids=[kind.__name__.rsplit(".", 1)[1] for kind in NETWORKS])
def kind(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def test_company_in_the_batch_changes_nothing(
    kind: ModuleType, build_examples: Build, draw_patients: Draw
) -> None:
    examples = build_examples(draw_patients(40, 1))
    model = untrained(kind, examples)
    together = logits(kind, model, examples, list(range(40)))
    alone = np.concatenate([logits(kind, model, examples, [row]) for row in range(40)])
    np.testing.assert_allclose(together, alone, atol=2e-5)
    backwards = logits(kind, model, examples, list(range(39, -1, -1)))
    np.testing.assert_allclose(backwards, together[::-1], atol=2e-5)


def test_order_within_a_visit_changes_nothing(
    kind: ModuleType, build_examples: Build, draw_patients: Draw
) -> None:
    patients = draw_patients(40, 2)
    turned = [(sex, [(d, codes[::-1]) for d, codes in visits], y) for sex, visits, y in patients]
    examples = build_examples(patients)
    model = untrained(kind, examples)
    rows = list(range(40))
    np.testing.assert_allclose(
        logits(kind, model, examples, rows),
        logits(kind, model, build_examples(turned), rows),
        atol=2e-5,
    )


def test_sex_time_and_the_order_of_visits_count(kind: ModuleType, build_examples: Build) -> None:
    visits = [(10, [1]), (30, [2, 3]), (200, [4])]
    examples = build_examples(
        [
            (1, visits, [5]),
            (2, visits, [5]),
            (0, visits, [5]),
            (1, [(10, [1]), (150, [2, 3]), (200, [4])], [5]),
            (1, [(10, [4]), (30, [2, 3]), (200, [1])], [5]),
        ]
    )
    scores = logits(kind, untrained(kind, examples), examples, list(range(5)))
    for other in range(1, 5):
        assert np.abs(scores[0] - scores[other]).max() > 1e-3


def test_starts_at_the_prevalence_of_the_labels(
    kind: ModuleType, build_examples: Build, draw_patients: Draw
) -> None:
    examples = build_examples(draw_patients(50, 3))
    model = untrained(kind, examples)
    model.prepare(examples)
    probabilities = 1 / (1 + np.exp(-logits(kind, model, examples, list(range(50)))))
    expected = np.clip(examples.label_prevalence(), 0.5 / 50, 1)
    np.testing.assert_allclose(probabilities, np.tile(expected, (50, 1)), rtol=1e-5)


def test_learns_a_planted_rule_and_writes_it_down(
    kind: ModuleType, build_examples: Build, draw_patients: Draw, tmp_path: Any
) -> None:
    train, tuning = build_examples(draw_patients(400, 4)), build_examples(draw_patients(100, 5))
    held_out = build_examples(draw_patients(200, 6))
    run = TrainingRun(tmp_path, Compute(7, precision="32-true"))
    kind.fit(train, tuning, SETTINGS[kind], OPTIMISATION, None, run)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
    }
    scores = kind.predict(held_out, run)
    assert scores.shape == (200, 12)
    assert scores.dtype == np.float32
    assert (scores.argmax(axis=1) == held_out.labels).mean() > 0.95


def test_the_same_seed_gives_the_same_bytes(
    kind: ModuleType, build_examples: Build, draw_patients: Draw, tmp_path: Any
) -> None:
    train, tuning = build_examples(draw_patients(60, 8)), build_examples(draw_patients(20, 9))
    optimisation = Optimisation(epochs=2, batch_size=16, learning_rate=0.01)
    for folder in ("a", "b"):
        run = TrainingRun(tmp_path / folder, Compute(1))
        kind.fit(train, tuning, SETTINGS[kind], optimisation, None, run)
    for name in ("config.json", "model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_refuses_what_it_cannot_use(
    kind: ModuleType, build_examples: Build, draw_patients: Draw, tmp_path: Any
) -> None:
    examples = build_examples(draw_patients(5, 1))
    run = TrainingRun(tmp_path, Compute(1))
    with pytest.raises(InputError, match="training"):
        kind.fit(examples, examples, SETTINGS[kind], None, None, run)
    with pytest.raises(InputError, match="pretrained"):
        kind.fit(examples, examples, SETTINGS[kind], OPTIMISATION, tmp_path / "x", run)
    for wrong in ({"dropout": 1.0}, {"embedding_size": 0}, {"sex_size": 1.5}, {"dropout": -0.1}):
        with pytest.raises(InputError):
            read_settings(kind.Settings, wrong)
    with pytest.raises(InputError, match="colour"):
        read_settings(kind.Settings, {"colour": 1})
