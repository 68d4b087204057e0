"""`fit` and `predict` of networks that the engine trains as classifiers.

A model's file defines what is specific to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.learning import engine
from behrt.learning.examples import Examples
from behrt.learning.run import Optimisation, TrainingRun, refuse_pretrained
from behrt.settings.base import Section

Settings = TypeVar("Settings", bound=Section)


class Classifier(Protocol):
    """A network (`torch.nn.Module`) from a batch to logits (rows, n_diseases)."""

    def prepare(self, train: Examples) -> None:
        """Set the initial weights that depend on the training examples."""


def start_at_prevalence(classifier: nn.Linear, train: Examples) -> None:
    """Set an output layer so that it predicts the prevalence of the labels."""
    with torch.no_grad():
        classifier.weight.zero_()
        classifier.bias.copy_(torch.from_numpy(train.prior_log_odds()))


@dataclass(frozen=True)
class Trained(Generic[Settings]):
    """A kind of model that the engine trains, step by step.

    Attributes:
        kind: its name.
        settings: its `Settings`.
        network: returns the network for settings, the number of diseases and the number of words
            (diseases and words of other inputs), with random weights.
        collate: returns a batch, the network's keyword arguments, of the examples at some rows.
    """

    kind: str
    settings: type[Settings]
    network: Callable[[Settings, int, int], Classifier]
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
        refuse_pretrained(self.kind, pretrained)
        engine.begin(run)
        network = self.network(settings, train.n_diseases, train.n_words)
        network.prepare(train)
        collate = partial(self.collate, settings)
        engine.fit_classifier(
            cast(nn.Module, network),
            collate,
            train,
            tuning,
            optimisation,
            run,
            settings,
            draws=True,
        )

    def predict(self, examples: Examples, run: TrainingRun) -> np.ndarray:
        """Return the probabilities, float32 (n, n_diseases), from the files in the run's folder."""
        network, collate = self._load(run)
        return engine.predict(network, collate, examples, run)

    def embed(self, examples: Examples, run: TrainingRun) -> np.ndarray:
        """Return float32 (n, size), what the output layer `classifier` reads of each patient."""
        network, collate = self._load(run)
        return engine.outputs(_ClassifierInput(network), collate, examples, run)

    def _load(self, run: TrainingRun) -> tuple[nn.Module, engine.Collate]:
        def made(own: Settings, config: Mapping[str, Any]) -> nn.Module:
            n_diseases = config["n_diseases"]
            n_words = n_diseases + sum(config.get("concepts", {}).values())
            return cast(nn.Module, self.network(own, n_diseases, n_words))

        network, settings = engine.load(run.folder, self.settings, made)
        return network, partial(self.collate, settings)


class _ClassifierInput(nn.Module):
    """A network that returns what its output layer reads."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.read: Tensor | None = None
        cast(nn.Module, network.classifier).register_forward_pre_hook(self._keep)

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (self.read,) = inputs

    def forward(self, **batch: Tensor) -> Tensor:
        """Return (n, size)."""
        self.network(**batch)
        assert self.read is not None
        return self.read
