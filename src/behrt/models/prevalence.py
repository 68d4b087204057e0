"""The trivial model: every patient gets each disease's share of the training labels.

What another model scores above this row, it owes to the patients' own histories.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from behrt.errors import InputError
from behrt.evaluation.metrics import sample_auroc, sample_average_precision
from behrt.learning.artefacts import read_weights, write_model
from behrt.learning.examples import Examples
from behrt.learning.run import Optimisation, TrainingRun


@dataclass(frozen=True)
class Settings:
    """There is nothing to set."""


def refuse_training(kind: str, optimisation: Optimisation | None, pretrained: Path | None) -> None:
    """Refuse what a model that only counts cannot use.

    Raises:
        InputError: training settings or weights to start from are given.
    """
    if optimisation is not None:
        raise InputError(kind, "it is counted, not trained", "Leave its `training` section out")
    if pretrained is not None:
        raise InputError(kind, "it has no weights to start from", "Leave `pretrained` out")


def tuning_line(scores: np.ndarray, tuning: Examples) -> str:
    """Return the one line of metrics.jsonl of a model that only counts."""
    labels = tuning.label_matrix(np.arange(len(tuning)))
    metrics = {
        "tuning_aps": float(np.nanmean(sample_average_precision(scores, labels))),
        "tuning_auroc": float(np.nanmean(sample_auroc(scores, labels))),
    }
    return json.dumps(metrics)


def _scores(rates: np.ndarray, examples: Examples) -> np.ndarray:
    scores = np.empty((len(examples), examples.n_diseases), dtype=np.float32)
    scores[:] = rates
    return scores


def fit(
    train: Examples,
    tuning: Examples,
    settings: Settings,
    optimisation: Optimisation | None,
    pretrained: Path | None,
    run: TrainingRun,
) -> None:
    """Count the training labels; write config.json, model.safetensors and metrics.jsonl.

    Raises:
        InputError: `optimisation` or `pretrained` is given: there is no training.
    """
    refuse_training("prevalence", optimisation, pretrained)
    rates = train.label_prevalence().astype(np.float32)
    line = tuning_line(_scores(rates, tuning), tuning)
    weights = {"prevalence": torch.from_numpy(rates)}
    write_model(run, settings, train.n_diseases, weights, [line])


def predict(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, n_diseases), the same row for everybody."""
    return _scores(read_weights(run.folder)["prevalence"].numpy(), examples)
