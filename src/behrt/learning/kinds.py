"""What the kinds of model share: how `fit` and `predict` begin and end.

A model's file says what is its own, and takes both functions from here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.evaluation.metrics import sample_metrics
from behrt.learning import engine
from behrt.learning.artefacts import read_config, read_weights, write_model
from behrt.learning.examples import Examples
from behrt.learning.run import Optimisation, TrainingRun, read_settings

Settings = TypeVar("Settings")
Weights = dict[str, Tensor]


class Classifier(Protocol):
    """A network (`torch.nn.Module`) from a batch to logits (rows, n_diseases)."""

    def prepare(self, train: Examples) -> None:
        """Take from the training examples what weights start with."""


def start_at_prevalence(classifier: nn.Linear, train: Examples) -> None:
    """Let an output layer give every patient the prevalence of the labels."""
    with torch.no_grad():
        classifier.weight.zero_()
        classifier.bias.copy_(torch.from_numpy(train.prior_log_odds()))


@dataclass(frozen=True)
class Trained(Generic[Settings]):
    """A kind of model that the engine trains, step by step.

    Attributes:
        kind: its name.
        settings: its dataclass.
        network: makes it for settings and a number of diseases, with weights at random.
        collate: makes a batch, the network's keyword arguments, of the examples at some rows.
    """

    kind: str
    settings: type[Settings]
    network: Callable[[Settings, int], Classifier]
    collate: Callable[
        [Settings, Examples, np.ndarray, np.random.Generator | None], dict[str, Tensor]
    ]

    def fit(
        self,
        train: Examples,
        tuning: Examples,
        settings: Settings,
        optimisation: Optimisation | None,
        pretrained: Path | None,
        run: TrainingRun,
    ) -> None:
        """Train on the labelled rows; write config.json, model.safetensors and metrics.jsonl.

        Raises:
            InputError: `optimisation` is missing, or `pretrained` is given.
        """
        if optimisation is None:
            raise InputError(
                self.kind, "it has no training settings", "Give it a `training` section"
            )
        _refuse_pretrained(self.kind, pretrained)
        engine.begin(run)
        network = self.network(settings, train.n_diseases)
        network.prepare(train)
        collate = partial(self.collate, settings)
        engine.fit_classifier(
            cast(nn.Module, network), collate, train, tuning, optimisation, run, settings
        )

    def predict(self, examples: Examples, run: TrainingRun) -> np.ndarray:
        """Return the probabilities, float32 (n, n_diseases), from the files in the run's folder."""
        config = read_config(run.folder)
        settings = read_settings(self.settings, config["settings"])
        network = cast(nn.Module, self.network(settings, config["n_diseases"]))
        network.load_state_dict(read_weights(run.folder))
        return engine.predict(network, partial(self.collate, settings), examples, run)


@dataclass(frozen=True)
class Estimated(Generic[Settings]):
    """A kind of model with no `training` section: it is counted, or fitted by a method of its own.

    Attributes:
        kind: its name.
        settings: its dataclass.
        estimate: what is learned from training and tuning examples, as tensors by name.
        score: the probabilities, float32 (n, n_diseases), of examples.
    """

    kind: str
    settings: type[Settings]
    estimate: Callable[[Examples, Examples, Settings, TrainingRun], Weights]
    score: Callable[[Settings, Weights, Examples], np.ndarray]

    def fit(
        self,
        train: Examples,
        tuning: Examples,
        settings: Settings,
        optimisation: Optimisation | None,
        pretrained: Path | None,
        run: TrainingRun,
    ) -> None:
        """Estimate; write config.json, model.safetensors and metrics.jsonl.

        Raises:
            InputError: `optimisation` or `pretrained` is given, or there are no examples.
        """
        if optimisation is not None:
            raise InputError(
                self.kind, "it is trained by no optimiser", "Leave its `training` section out"
            )
        _refuse_pretrained(self.kind, pretrained)
        engine.require_examples(train, tuning)
        engine.begin(run)
        weights = self.estimate(train, tuning, settings, run)
        line = _tuning_line(self.score(settings, weights, tuning), tuning)
        write_model(run, settings, train.n_diseases, weights, [line])

    def predict(self, examples: Examples, run: TrainingRun) -> np.ndarray:
        """Return the probabilities, float32 (n, n_diseases), from the files in the run's folder."""
        engine.begin(run)
        settings = read_settings(self.settings, read_config(run.folder)["settings"])
        return self.score(settings, read_weights(run.folder), examples)


def _refuse_pretrained(kind: str, pretrained: Path | None) -> None:
    if pretrained is not None:
        raise InputError(kind, "it cannot start from MLM weights", "Leave `pretrained` out")


def _tuning_line(scores: np.ndarray, tuning: Examples) -> str:
    """Return the one line of metrics.jsonl of a model without epochs."""
    metrics = sample_metrics(scores, tuning.label_matrix(np.arange(len(tuning))))
    names = ("tuning_aps", "tuning_auroc")
    means = (float(np.nanmean(metric)) for metric in metrics)
    return json.dumps(dict(zip(names, means, strict=True)))
