"""The training loop: what it learns, chooses, writes, and survives."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.learning import checkpoint, engine, prefetch
from behrt.learning.device import begin
from behrt.learning.dropout import dropout
from behrt.learning.examples import Examples
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.settings.base import Section

N_DISEASES = 6
FILES = ("config.json", "metrics.jsonl", "model.safetensors")


def examples(patients: int, seed: int, shift: int = 1) -> Examples:
    """One visit with one disease each; the next in number (by `shift`) is the label."""
    codes = np.random.default_rng(seed).integers(N_DISEASES, size=patients)
    each = np.arange(patients + 1, dtype=np.int64)
    return Examples(
        subject_id=each[:-1],
        sex=np.zeros(patients, dtype=np.int8),
        follow_up_start=np.zeros(patients, dtype=np.int32),
        visit_offsets=each,
        visit_day=np.zeros(patients, dtype=np.int32),
        visit_age=np.zeros(patients, dtype=np.int16),
        code_offsets=each,
        codes=codes.astype(np.int16),
        label_offsets=each,
        labels=((codes + shift) % N_DISEASES).astype(np.int16),
        known_offsets=each,
        known=codes.astype(np.int16),
        n_diseases=N_DISEASES,
    )


class Settings(Section):
    rate: float = 0.2


class Table(nn.Module):
    """Logits looked up by the one disease, with dropout."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.rate = settings.rate
        self.table = nn.Embedding(N_DISEASES, N_DISEASES)

    def forward(self, code: Tensor) -> Tensor:
        return dropout(self.table(code), self.rate, self.training)


def collate(
    examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> dict[str, Tensor]:
    return {"code": torch.from_numpy(examples.codes[examples.code_offsets[rows]].astype(np.int64))}


OPTIMISATION = Optimisation(epochs=4, batch_size=10, learning_rate=0.3)


def train(folder: Path, **changes: Any) -> None:
    run = TrainingRun(
        folder,
        Compute(changes.pop("seed", 1), precision="32-true", at_once=changes.pop("at_once", None)),
        checkpoint_seconds=0.0,
        unpromising=changes.pop("unpromising", None),
    )
    begin(run)
    settings = changes.pop("settings", Settings())
    model = Table(settings)
    if changes.pop("alike", False):
        nn.init.zeros_(model.table.weight)
    parts = {"train": examples(55, 1), "tuning": examples(20, 2)}
    given = {**parts, "optimisation": OPTIMISATION, **changes}
    engine.fit_classifier(model, collate, run=run, settings=settings, **given)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def metrics(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_rule_is_learned_and_the_three_files_are_written(tmp_path: Path) -> None:
    train(tmp_path)
    assert tuple(contents(tmp_path)) == FILES
    last = metrics(tmp_path)[-1]
    assert last["tuning_aps"] > 0.95
    assert last["train_loss"] < metrics(tmp_path)[0]["train_loss"]
    assert list(last) == [
        "epoch",
        "train_loss",
        "tuning_loss",
        "tuning_aps",
        "tuning_auroc",
        "score_spread",
        "learning_rate",
    ]
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["settings"] == {"rate": 0.2}
    assert config["optimisation"]["batch_size"] == 10
    assert config["n_diseases"] == N_DISEASES
    assert str(tmp_path) not in json.dumps(config)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path / name, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    weights = [contents(tmp_path / name)["model.safetensors"] for name in "ac"]
    assert weights[0] != weights[1]


class InterruptionError(Exception):
    pass


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that lets training die right after its n-th checkpoint."""
    save = checkpoint.save

    def after(saves: int) -> None:
        left = [saves]

        def dying_save(*arguments: Any) -> None:
            save(*arguments)
            left[0] -= 1
            if left[0] == 0:
                raise InterruptionError

        monkeypatch.setattr(checkpoint, "save", dying_save)

    return after


# Six steps an epoch, each with a checkpoint, and one more after the epoch's evaluation.
@pytest.mark.parametrize("saves", [1, 4, 6, 7, 8, 27])
def test_an_interrupted_training_ends_with_the_same_bytes(
    tmp_path: Path, interrupt: Any, saves: int
) -> None:
    train(tmp_path / "whole")
    interrupt(saves)
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts")
    assert tuple(contents(tmp_path / "parts")) == ("checkpoint.pt",)
    interrupt(-1)
    train(tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"settings": Settings(rate=0.3)},
        {"optimisation": Optimisation(epochs=4, batch_size=10, learning_rate=0.2)},
        {"train": examples(55, 1, shift=2)},
        {"tuning": examples(20, 3)},
    ],
)
def test_a_checkpoint_of_another_training_is_left_alone(
    tmp_path: Path, interrupt: Any, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "whole", **change)
    interrupt(8)
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts")
    interrupt(-1)
    with caplog.at_level(logging.WARNING, logger="behrt"):
        train(tmp_path / "parts", **change)
    assert "starts from the beginning" in caplog.text
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_checkpoint_of_other_code_is_left_alone(
    tmp_path: Path,
    interrupt: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    interrupt(8)
    with pytest.raises(InterruptionError):
        train(tmp_path)
    interrupt(-1)
    monkeypatch.setattr(checkpoint, "code_hash", lambda *_: "edited")
    with caplog.at_level(logging.INFO, logger="behrt"):
        train(tmp_path)
    assert "starts from the beginning" in caplog.text
    assert "going on" not in caplog.text


def test_a_damaged_checkpoint_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"half of a file")
    with caplog.at_level(logging.WARNING, logger="behrt"):
        train(tmp_path)
    assert "cannot be read" in caplog.text
    assert tuple(contents(tmp_path)) == FILES


def test_the_best_epoch_is_kept_and_patience_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.2, 0.5, 0.4, 0.5, 0.3, 0.9])
    weights = []

    def evaluate(self: Any, model: Any, fabric: Any) -> dict[str, float]:
        weights.append(model.module.table.weight.detach().clone())
        return {"tuning_aps": next(scores), "score_spread": 1.0}

    monkeypatch.setattr(engine.Classification, "evaluate", evaluate)
    train(
        tmp_path, optimisation=Optimisation(epochs=20, batch_size=10, learning_rate=0.3, patience=3)
    )
    assert [line["tuning_aps"] for line in metrics(tmp_path)] == [0.2, 0.5, 0.4, 0.5, 0.3]
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["epoch"] == 2
    kept = engine.read_weights(tmp_path)["table.weight"]
    assert torch.equal(kept, weights[1])


def test_an_unpromising_training_is_given_up_and_resumes_so(tmp_path: Path, interrupt: Any) -> None:
    asked: list[list[float]] = []

    def unpromising(scores: Sequence[float]) -> bool:
        asked.append(list(scores))
        return len(scores) == 2

    train(tmp_path / "whole", unpromising=unpromising)
    scores = [line["tuning_aps"] for line in metrics(tmp_path / "whole")]
    assert len(scores) == 2
    assert asked == [[], scores[:1], scores]
    interrupt(9)  # within the second epoch
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts", unpromising=unpromising)
    interrupt(1000)
    train(tmp_path / "parts", unpromising=unpromising)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_patients_all_scored_alike_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="behrt"):
        train(tmp_path / "good")
        assert "HARDLY DIFFER" not in caplog.text
        train(
            tmp_path / "bad",
            alike=True,
            optimisation=Optimisation(epochs=1, batch_size=10, learning_rate=1e-6),
        )
        assert "HARDLY DIFFER" in caplog.text


def test_the_log_hides_a_loss_of_few_patients_however_many_rows_they_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = examples(2, 1).select(np.repeat([0, 1], 30))
    with caplog.at_level(logging.INFO, logger="behrt"):
        train(tmp_path, train=few)
    assert "train_loss hidden" in caplog.text
    assert "tuning_loss hidden" not in caplog.text


def test_the_spread_is_relative_to_prevalence() -> None:
    prevalence = np.array([0.5, 0.02, 0.0])
    alike = np.tile(prevalence, (4, 1))
    assert engine.score_spread(alike, prevalence) == 0.0
    apart = np.array([[0.7, 0.03, 1.0], [0.3, 0.01, 0.0]])
    assert engine.score_spread(apart, prevalence) == pytest.approx((0.2 / 0.5 + 0.01 / 0.02) / 2)


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    for part in ("train", "tuning"):
        with pytest.raises(InputError, match="examples: there are none"):
            train(tmp_path, **{part: examples(0, 1)})
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(*_: Any) -> Tensor:
        return torch.tensor(float("nan"), requires_grad=True)

    monkeypatch.setattr(engine.Classification, "loss", loss)
    with pytest.raises(InputError, match="learning_rate"):
        train(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_predictions_are_probabilities_in_order(tmp_path: Path) -> None:
    train(tmp_path)
    model = Table(Settings())
    model.load_state_dict(engine.read_weights(tmp_path))
    asked = examples(30, 5)
    run = TrainingRun(tmp_path, Compute(1, precision="32-true"))
    scores = engine.predict(model, collate, asked, run, batch_size=7)
    expected = torch.sigmoid(model.table.weight[asked.codes.astype(np.int64)]).detach().numpy()
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_predictions_that_do_not_fit_into_memory_are_made_in_smaller_batches(
    tmp_path: Path,
) -> None:
    class OfSmallMemory(Table):
        def forward(self, code: Tensor) -> Tensor:
            if len(code) > 6:
                raise torch.OutOfMemoryError
            return super().forward(code)

    model, asked = OfSmallMemory(Settings()), examples(30, 5)
    run = TrainingRun(tmp_path, Compute(1, precision="32-true"))
    expected = model.table.weight[asked.codes.astype(np.int64)].detach()
    found = engine.predict(model, collate, asked, run)
    np.testing.assert_allclose(found, torch.sigmoid(expected).numpy(), rtol=1e-6)
    np.testing.assert_array_equal(engine.outputs(model, collate, asked, run), expected.numpy())


def test_batches_that_are_made_ahead_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "when_needed")
    monkeypatch.setattr(prefetch, "AHEAD", {"cpu": 3})
    train(tmp_path / "ahead")
    assert contents(tmp_path / "ahead") == contents(tmp_path / "when_needed")


def test_a_batch_that_does_not_fit_into_memory_is_computed_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_dropout = Settings(rate=0.0)
    train(tmp_path / "whole", settings=without_dropout)
    loss, sizes = engine.Classification.loss, []

    def of_small_memory(self: engine.Classification, model: nn.Module, batch: Any) -> Tensor:
        sizes.append(len(batch[1]))
        if len(batch[1]) > 4:
            raise torch.OutOfMemoryError
        return loss(self, model, batch)

    monkeypatch.setattr(engine.Classification, "loss", of_small_memory)
    monkeypatch.setattr(engine, "TRIED_ON", ("cpu",))
    with caplog.at_level(logging.INFO, logger="behrt"):
        train(tmp_path / "parts", settings=without_dropout)
    assert "3 of 10 patients of a batch are computed at a time" in caplog.text
    assert sizes[:3] == [10, 5, 3]
    assert max(sizes[3:]) == 3
    for expected, found in zip(
        metrics(tmp_path / "whole"), metrics(tmp_path / "parts"), strict=True
    ):
        assert found == pytest.approx(expected, rel=1e-4)


# Six steps an epoch: in the middle of one, and after its evaluation.
@pytest.mark.parametrize("saves", [4, 7])
def test_a_training_that_resumes_tries_again_with_the_configured_number(
    tmp_path: Path,
    interrupt: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    saves: int,
) -> None:
    monkeypatch.setattr(engine, "TRIED_ON", ("cpu",))
    without_dropout = Settings(rate=0.0)
    train(tmp_path / "whole", settings=without_dropout)
    interrupt(saves)
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts", settings=without_dropout)
    interrupt(-1)
    with caplog.at_level(logging.INFO, logger="behrt"):
        train(tmp_path / "parts", settings=without_dropout, at_once=2)
    assert "2 of 10 patients of a batch are computed at a time" in caplog.text
    for expected, found in zip(
        metrics(tmp_path / "whole"), metrics(tmp_path / "parts"), strict=True
    ):
        assert found == pytest.approx(expected, rel=1e-4)


def test_the_trial_of_a_training_that_resumes_changes_no_byte(
    tmp_path: Path, interrupt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole")
    interrupt(4)
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts")
    interrupt(-1)
    monkeypatch.setattr(engine, "TRIED_ON", ("cpu",))
    train(tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
