"""From stored sequences to scores by the workflow's scripts, under every protocol."""

import importlib.util
import re
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.files import read_json
from behrt.learning.protocol import COMPARED, PROTOCOLS
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute
from behrt.sequences.frames import Sequences, TaskExamples
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.settings.behrt import Pretraining
from behrt.tasks import Task
from behrt.training import TrainingData
from behrt.training import train as train_model

SCRIPTS = Path(__file__).parents[2] / "scripts"
N_DISEASES = 12
SHAPE = {"hidden": 8, "layers": 1, "heads": 2, "intermediate": 8, "max_length": 30}
TRAINING = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3}
COMMON = {"compute": Compute(1, precision="32-true")}
FILES = ("config.json", "model.safetensors", "metrics.jsonl")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def store(folder: Path, reseeded: str | None = None) -> dict[str, Any]:
    """Write sequences, a task and a vocabulary; the patients of one split may be drawn again."""
    folder.mkdir()
    rows, tasks = [], []
    for patient in range(90):
        split = ("train", "train", "train", "tuning", "held_out")[patient % 5]
        generator = np.random.default_rng([patient, split == reseeded])
        visits = int(generator.integers(5, 8))
        codes = [np.unique(generator.integers(0, N_DISEASES, 2)).tolist() for _ in range(visits)]
        days = np.cumsum(generator.integers(30, 400, visits)).tolist()
        rows.append(
            {
                "subject_id": patient,
                "split": split,
                "sex": 1,
                "region": 1,
                "practice": 1,
                "birth_month": 1970 * 12,
                "follow_up_start": 0,
                "follow_up_end": days[-1] + 1,
                "known_until": days[-1] + 1,
                "visit_day": days,
                "visit_age": [day // 30 for day in days],
                "code": [code for visit in codes for code in visit],
                "visit": [index for index, visit in enumerate(codes) for _ in visit],
            }
        )
        tasks.append(
            {
                "subject_id": patient,
                "split": split,
                "input_visits": visits - 1,
                "label": codes[-1],
                "known": sorted({code for visit in codes[:-1] for code in visit}),
            }
        )
    sequences, task, vocabulary = folder / "00.parquet", folder / "T1.parquet", folder / "v.json"
    Sequences.validate(pl.DataFrame(rows), cast=True).write_parquet(sequences)
    TaskExamples.validate(pl.DataFrame(tasks), cast=True).write_parquet(task)
    names = tuple(f"disease {index:02}" for index in range(N_DISEASES))
    write_vocabulary(Vocabulary(names, ("chapter",) * N_DISEASES), vocabulary)
    return {"sequences": [sequences], "examples": task, "vocabulary": vocabulary}


def outputs(folder: Path) -> dict[str, Path]:
    return dict(
        zip(("model_config", "weights", "metrics"), (folder / f for f in FILES), strict=True)
    )


def pretrain(
    stored: dict[str, Any], folder: Path, protocol: str, pretraining: Pretraining = "mlm"
) -> bytes:
    script("pretrain").main(
        sequences=stored["sequences"],
        vocabulary=stored["vocabulary"],
        **outputs(folder),
        recipe=Recipe("behrt", SHAPE, TRAINING),
        pretraining=pretraining,
        masking={"mask": 0.12, "random": 0.015},
        protocol=protocol,
        **COMMON,
    )
    return (folder / "model.safetensors").read_bytes()


def finetune(stored: dict[str, Any], folder: Path, protocol: str, **changes: Any) -> bytes:
    """Return the weights; the scores of tuning and held-out patients are in scores.parquet."""
    recipe = Recipe("behrt", {**SHAPE, "readout": "mask"}, TRAINING)
    given = {"recipe": recipe, "protocol": protocol, "task": Task("T1"), **COMMON, **changes}
    given.setdefault("minimum_visits", 4)
    script("finetune").main(**stored, **outputs(folder), scores=folder / "scores.parquet", **given)
    return (folder / "model.safetensors").read_bytes()


def test_the_strict_protocol_does_not_depend_on_held_out_patients(tmp_path: Path) -> None:
    stored = store(tmp_path / "data")
    changed = store(tmp_path / "changed", reseeded="held_out")
    for protocol, equal in (("strict", True), ("paper", False)):
        for train in (pretrain, finetune):
            written = []
            for delivery, name in ((stored, "first"), (changed, "second")):
                weights = train(delivery, tmp_path / protocol / name, protocol)
                # Other patients may choose the same epoch.
                written.append((weights, (tmp_path / protocol / name / FILES[2]).read_bytes()))
            assert (written[0] == written[1]) == equal


@pytest.mark.parametrize(
    ("protocol", "pretraining", "training"),
    [
        ("test_epochs", True, True),
        ("test_pretraining", True, False),
        ("special_targets", False, False),
        ("all", True, True),
    ],
)
def test_a_relaxed_protocol_reads_held_out_patients_where_it_should(
    tmp_path: Path, protocol: str, pretraining: bool, training: bool
) -> None:
    """The held-out patients change the weights, or the choice of the epoch."""
    stored = store(tmp_path / "data")
    changed = store(tmp_path / "changed", reseeded="held_out")
    for train, relaxed in ((pretrain, pretraining), (finetune, training)):
        folders = [tmp_path / train.__name__ / name for name in ("first", "second")]
        for data, folder in zip((stored, changed), folders, strict=True):
            train(data, folder, protocol)
        # The scores of all epochs show on which patients it is chosen, even if it is the same.
        same = [
            (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
            for name in ("model.safetensors", "metrics.jsonl")
        ]
        assert all(same) != relaxed


def test_each_protocol_between_differs_from_strict_in_one_thing() -> None:
    strict, everything = PROTOCOLS["strict"], PROTOCOLS["all"]
    for name in COMPARED[1:-1]:
        differs = [
            field.name
            for field in fields(strict)
            if getattr(PROTOCOLS[name], field.name) != getattr(strict, field.name)
        ]
        assert len(differs) == 1, name
    assert everything == replace(PROTOCOLS["paper"], special_targets=True)


@pytest.mark.parametrize("protocol", ["strict", "test_pretraining"])
def test_forecasting_never_depends_on_held_out_patients(protocol: str, tmp_path: Path) -> None:
    """It would learn what it is asked for; MLM reads them in some protocols."""
    stored = store(tmp_path / "data")
    changed = store(tmp_path / "changed", reseeded="held_out")
    weights = [
        pretrain(data, tmp_path / str(place), protocol, "forecast")
        for place, data in enumerate((stored, changed))
    ]
    assert weights[0] == weights[1]


def test_the_strict_protocol_does_not_learn_from_tuning_patients(
    tmp_path: Path,
) -> None:
    stored = store(tmp_path / "data")
    changed = store(tmp_path / "changed", reseeded="tuning")
    one_epoch = {**TRAINING, "epochs": 1}
    weights = [
        finetune(data, tmp_path / str(place), "strict", recipe=Recipe("behrt", SHAPE, one_epoch))
        for place, data in enumerate((stored, changed))
    ]
    assert weights[0] == weights[1]


def test_a_model_may_learn_from_several_visits_of_each_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store(tmp_path / "data")
    rows = {}
    monkeypatch.setattr(
        "behrt.models.prevalence.fit",
        lambda train, *_: rows.setdefault(cuts, (len(train), train.n_subjects)),
    )
    for cuts in (1, 2, "all"):
        recipe = Recipe("prevalence", {}, cuts=cuts)  # type: ignore[arg-type]
        data = TrainingData(**{**stored, "task": Task("T1"), "minimum_visits": 4})
        train_model(recipe, data, "strict", tmp_path / str(cuts), Compute(1))
    visits = pl.read_parquet(stored["sequences"][0]).filter(split="train")["visit_day"].list.len()
    cut = visits.to_numpy() - 4
    assert rows == {
        1: (len(cut), len(cut)),
        2: (np.minimum(cut, 2).sum(), len(cut)),
        "all": (cut.sum(), len(cut)),
    }


def test_scores_of_tuning_and_held_out_patients_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="behrt")
    stored = store(tmp_path / "data")
    pretrain(stored, tmp_path / "mlm", "strict")
    finetune(
        stored,
        tmp_path / "T1",
        "strict",
        pretrained=tmp_path / "mlm" / "model.safetensors",
    )
    config = read_json(tmp_path / "T1" / "config.json")
    assert {config[name] for name in ("kind", "task", "protocol")} == {"behrt", "T1", "strict"}
    frame = pl.read_parquet(tmp_path / "T1" / "scores.parquet")
    assert frame.schema == {
        "subject_id": pl.Int64(),
        "scores": pl.Array(pl.Float32, N_DISEASES),
    }
    assert frame["subject_id"].to_list() == sorted([*range(3, 90, 5), *range(4, 90, 5)])
    assert "chosen" in caplog.text
    assert not re.search(r"\d patients", caplog.text)  # a log has no gate for small counts


def test_a_job_that_ends_while_it_predicts_does_not_train_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored, folder = store(tmp_path / "data"), tmp_path / "T1"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("behrt.models.behrt.predict", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(stored, folder, "strict")
    weights = (folder / "model.safetensors").read_bytes()
    for name in FILES:  # as Snakemake does with the outputs of a failed job
        (folder / name).unlink()
    with caplog.at_level("INFO"):
        assert finetune(stored, folder, "strict") == weights
    assert f"resuming from epoch {TRAINING['epochs'] + 1}" in caplog.text
    assert not (folder / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": Recipe("bert", SHAPE, TRAINING)}, "no kind 'bert'"),
        ({"protocol": "lax"}, "no 'lax'"),
        ({"recipe": Recipe("behrt", {**SHAPE, "width": 3}, TRAINING)}, "no key 'width'"),
        ({"recipe": Recipe("behrt", SHAPE)}, "training"),
    ],
)
def test_what_is_unknown_is_refused_by_name(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        finetune(
            store(tmp_path / "data"), tmp_path / "T1", change.pop("protocol", "strict"), **change
        )
