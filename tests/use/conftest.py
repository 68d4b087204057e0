"""Small trained models in folders of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from behrt.evaluation.recalibration import Recalibration
from behrt.learning import artefacts
from behrt.learning.run import Compute, TrainingRun
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.settings.behrt import Settings
from behrt.tasks import Task
from behrt.use.description import Description
from behrt.use.folder import write_folder

Make = Callable[..., Path]
TASK = Task("T2", 6)


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
