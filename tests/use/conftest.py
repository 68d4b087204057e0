"""Small trained models in folders of their own."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from behrt.evaluation.recalibration import Recalibration, fit_recalibration
from behrt.kinds import module_needs_training
from behrt.learning import artefacts
from behrt.learning.artefacts import WEIGHTS
from behrt.learning.examples import Examples
from behrt.learning.histories import NO_CUT, Histories
from behrt.learning.rate_recalibration import RateRecalibration
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.logs import logger
from behrt.models import WITH_TRAJECTORIES, ensemble, model_named
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.settings.behrt import Settings
from behrt.tasks import Task
from behrt.use.description import Description
from behrt.use.folder import write_folder
from behrt.use.inputs import read_inputs

Make = Callable[..., Path]
TASK = Task("T2", 6)


@pytest.fixture
def own_log() -> Iterator[None]:
    """Undo the set-up of the log by a command."""
    yield
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True


@pytest.fixture
def trained(tmp_path: Path, vocabulary: Vocabulary) -> Make:
    """Return a function that writes the folder of a model of a kind, with random weights."""

    def make(kind: str, name: str = "model", task: Task | None = TASK, **settings: Any) -> Path:
        n = len(vocabulary.phenotypes)
        generator = np.random.default_rng(5)
        torch.manual_seed(5)
        if kind == "behrt":
            chosen = Settings(hidden=8, layers=2, heads=2, intermediate=12, **settings)
            network = Behrt(chosen, n)
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.2)
            weights = {name: value.numpy() for name, value in network.state_dict().items()}
            stored: Any = chosen
        else:
            weights = {part: generator.random(n, np.float32) / 2 for part in ("with", "without")}
            stored = {"pseudo_patients": 1.0}
        facts = {"kind": kind, "vocabulary": vocabulary.version, "protocol": "strict"}
        run = TrainingRun(tmp_path / "models" / name, Compute(1, precision="32-true"), facts=facts)
        artefacts.write_model(run, stored, n, weights, precision="32-true")
        write_vocabulary(vocabulary, tmp_path / "vocabulary.json")
        description = Description(
            name, kind, task, "test", "simulated", "strict", 2, vocabulary.version
        )
        write_folder(
            tmp_path / "trained" / name,
            description,
            run.folder,
            {},
            tmp_path / "vocabulary.json",
            task and Recalibration(0.5, tuple(generator.normal(size=n).tolist()), 1.0),
        )
        return tmp_path / "trained" / name

    return make


# --- A model of every kind ----------------------------------------------------------------------

SMALL = {"hidden": 8, "layers": 1, "heads": 2, "intermediate": 8}
SETTINGS: dict[str, dict[str, Any]] = {
    "bag_of_words": {"penalties": [1]},
    "behrt": SMALL,
    "boltzmann_machine": {"hidden": 4, "epochs": 1, "penalties": [1]},
    "deep_patient": {"hidden": 4, "layers": 1, "epochs": 1, "penalties": [1]},
    "deepcare": {"embedding_size": 4, "hidden_size": 4, "inner_size": 4},
    "deepr": {"embedding_size": 4, "filters": 4, "minimum_uses": 1},
    "delphi": SMALL,
    "doctor_ai": {"embedding_size": 4, "hidden_size": 4},
    "forecast": SMALL,
    "lightgbm": {"trees": 2, "minimum_patients": 5},
    "logistic_regression": {"penalties": [1]},
    "retain": {"embedding_size": 4, "hidden_size": 4},
    "skip_gram": {"size": 4, "epochs": 1, "penalties": [1]},
}
MEMBERS = ("deepr", "history")
RATES = RateRecalibration(tuple(np.linspace(0.5, 1.5, 14).tolist()), ((0.0,) * 5,) * 4)


def draw_events(patients: int, seed: int) -> pl.DataFrame:
    """Return MEDS events of random patients, who all have several visits."""
    generator = np.random.default_rng(seed)
    events: list[tuple[int, datetime | None, str]] = []
    for patient in range(patients):
        day = datetime(2000, 1, 1)
        events += [
            (patient, datetime(1950, 1, 1), "MEDS_BIRTH"),
            (patient, None, f"SEX//{('female', 'male')[patient % 2]}"),
            (patient, day, "FOLLOW_UP//START"),
        ]
        for _ in range(int(generator.integers(2, 6))):
            day += timedelta(days=int(generator.integers(20, 400)))
            for disease in generator.choice(12, generator.integers(1, 4), replace=False):
                events.append((patient, day, f"CALIBER//Disease {disease:02d}"))
        events.append((patient, day + timedelta(days=300), "FOLLOW_UP//END"))
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String}
    return pl.DataFrame(events, schema, orient="row")


def examples_to_learn(vocabulary: Vocabulary, seed: int) -> Examples:
    """Return histories whose label is a disease of theirs, as no task would have it."""
    (read,) = read_inputs(draw_events(40, seed), None, vocabulary, Counter())
    whole = read.examples
    first = whole.codes[whole.code_offsets[whole.visit_offsets[:-1]]]
    return replace(whole, labels=first, label_offsets=np.arange(len(whole) + 1))


def fit_any(kind: str, train: Examples, tuning: Examples, run: TrainingRun) -> None:
    """Train a small model of a kind for one epoch."""
    module = model_named(kind)
    settings = module.Settings(**SETTINGS.get(kind, {}))
    optimisation = Optimisation(epochs=1, batch_size=16, learning_rate=0.01)
    if hasattr(module, "fit_jointly"):
        visits = np.arange(len(train.visit_day))
        last = np.repeat(train.visit_offsets[1:], np.diff(train.visit_offsets))
        ends = np.where(visits + 1 < last, visits + 2, NO_CUT)
        day = train.visit_day[train.visit_offsets[1:] - 1]
        histories = Histories(train, day + 300, {"T2": ends}, np.arange(len(train)) % 3 == 0)
        facts = {**run.facts, "tasks": {"T2": 6}}
        joint = replace(run, folder=run.folder.with_name(f"{kind}_joint"), facts=facts)
        module.fit_jointly(histories, {"T2": tuning}, settings, optimisation, None, joint)
        module.take_task(joint.folder / WEIGHTS, replace(run, facts={**run.facts, "task": "T2"}))
    else:
        needed = optimisation if module_needs_training(kind) else None
        module.fit(train, tuning, settings, needed, None, run)


@pytest.fixture(scope="session")
def of_kind(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a kind to the folder of a small trained model, made at first use.

    `predicted.npy` beside the folder has its scores of `examples_to_learn(…, 2)`, on which it is
    recalibrated.
    """
    folder = tmp_path_factory.mktemp("kinds")
    names = tuple(f"Disease {disease:02d}" for disease in range(12))
    vocabulary = Vocabulary(names, tuple("Chapter" for _ in names))
    write_vocabulary(vocabulary, folder / "vocabulary.json")
    train, tuning = (examples_to_learn(vocabulary, seed) for seed in (1, 2))
    labels = tuning.label_matrix(np.arange(len(tuning)))

    @cache
    def make(kind: str) -> Path:
        facts = {"kind": kind, "vocabulary": vocabulary.version, "protocol": "strict"}
        run = TrainingRun(
            folder / "models" / kind / kind, Compute(1, precision="32-true"), facts=facts
        )
        members = MEMBERS if kind == "ensemble" else ()
        if members:
            scores = np.stack([np.load(make(name).parent / "predicted.npy") for name in members])
            settings = ensemble.Settings(of=members)
            weights = ensemble.fit(scores, tuning.subject_id, tuning, settings, run)
            predicted = ensemble.pooled(scores, weights)
        else:
            fit_any(kind, train, tuning, run)
            predicted = model_named(kind).predict(tuning, run)
        trained = folder / "trained" / kind / kind
        write_folder(
            trained,
            Description(
                kind, kind, TASK, "test", "simulated", "strict", 2, vocabulary.version, members
            ),
            run.folder,
            {name: folder / "models" / name / name for name in members},
            folder / "vocabulary.json",
            fit_recalibration(predicted, labels),
            RATES if kind in WITH_TRAJECTORIES else None,
        )
        np.save(trained.parent / "predicted.npy", predicted)
        return trained

    return make
