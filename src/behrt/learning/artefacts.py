"""The three files of a trained model: config.json, model.safetensors, metrics.jsonl.

While a network is trained, its checkpoint is beside them (`behrt.learning.checkpoint`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from safetensors.numpy import save as pack

from behrt.errors import InputError
from behrt.files import atomic, read_json, write_json
from behrt.learning.run import TrainingRun

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint.pt"


def write_model(
    run: TrainingRun,
    settings: Any,
    n_diseases: int,
    weights: Mapping[str, np.ndarray],
    lines: Sequence[str] = (),
    **facts: Any,
) -> None:
    """Write a model's three files into the run's folder.

    Args:
        run: its folder, seed and facts.
        settings: the model's `Settings`, or a mapping.
        n_diseases: the number of diseases that the model predicts.
        weights: arrays by name.
        lines: of metrics.jsonl, one JSON object per epoch.
        **facts: further entries of config.json.
    """
    contents = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    with atomic(run.folder / WEIGHTS) as temporary:
        temporary.write_bytes(pack(contents))
    with atomic(run.folder / METRICS) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    written = dict(settings) if isinstance(settings, Mapping) else settings.model_dump()
    facts = {"n_diseases": n_diseases, "seed": run.compute.seed, **run.facts, **facts}
    write_json({"settings": written, **facts}, run.folder / CONFIG)


def discard_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a finished training, if there is one."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def read_config(folder: Path) -> dict[str, Any]:
    """Read a trained model's config.json.

    Raises:
        InputError: the folder holds no trained model.
    """
    if not (folder / CONFIG).is_file():
        raise InputError(
            folder / CONFIG, "there is no trained model in this folder", "Train it first"
        )
    return read_json(folder / CONFIG)


def inputs_of(folder: Path) -> list[str] | None:
    """Return the inputs that a trained model reads; None where there are diagnoses only."""
    inputs: list[str] | None = read_config(folder).get("inputs")
    return inputs


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Read a trained model's weights by name."""
    weights: dict[str, np.ndarray] = load_file(folder / WEIGHTS)
    return weights


def check_vocabulary(folder: Path, version: str) -> None:
    """Refuse a trained model that was trained with another vocabulary.

    Raises:
        InputError: the versions differ.
    """
    if read_config(folder)["vocabulary"] != version:
        raise InputError(
            folder / CONFIG, "the model was trained with another vocabulary", "Train it again"
        )
