"""`fit` and `predict` of models that are counted, or fitted by a method of their own.

A model's file defines what is specific to it. Nothing here needs torch.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from behrt.errors import InputError
from behrt.evaluation.metrics import sample_metrics
from behrt.learning.artefacts import read_config, read_weights, write_model
from behrt.learning.examples import Examples, require_examples
from behrt.learning.run import Optimisation, TrainingRun, read_settings, refuse_pretrained
from behrt.settings.base import Section

Settings = TypeVar("Settings", bound=Section)
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Estimated(Generic[Settings]):
    """A kind of model with no `training` section: it is counted, or fitted by a method of its own.

    Attributes:
        kind: its name.
        settings: its `Settings`.
        estimate: returns the weights, as arrays by name, from training and tuning examples.
        score: returns the probabilities, float32 (n, n_diseases), of examples.
        begin: is called before either; for a kind that computes with torch,
            `behrt.learning.device.begin`.
    """

    kind: str
    settings: type[Settings]
    estimate: Callable[[Examples, Examples, Settings, TrainingRun], Weights]
    score: Callable[[Settings, Weights, Examples], np.ndarray]
    begin: Callable[[TrainingRun], None] | None = None

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
                self.kind, "it does not use an optimiser", "Remove its `training` section"
            )
        refuse_pretrained(self.kind, pretrained)
        require_examples(train, tuning)
        if self.begin is not None:
            self.begin(run)
        weights = self.estimate(train, tuning, settings, run)
        line = tuning_line(self.score(settings, weights, tuning), tuning)
        write_model(run, settings, train.n_diseases, weights, [line])

    def predict(self, examples: Examples, run: TrainingRun) -> np.ndarray:
        """Return the probabilities, float32 (n, n_diseases), from the files in the run's folder."""
        if self.begin is not None:
            self.begin(run)
        settings = read_settings(self.settings, read_config(run.folder)["settings"])
        return self.score(settings, read_weights(run.folder), examples)


def tuning_line(scores: np.ndarray, tuning: Examples) -> str:
    """Return the one line of metrics.jsonl of a model without epochs."""
    metrics = sample_metrics(scores, tuning.label_matrix(np.arange(len(tuning))))
    names = ("tuning_aps", "tuning_auroc")
    means = (float(np.nanmean(metric)) for metric in metrics)
    return json.dumps(dict(zip(names, means, strict=True)))
