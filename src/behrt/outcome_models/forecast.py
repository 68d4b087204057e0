"""A logistic regression of an outcome on what the forecast model knows after the last visit.

The network that was trained once, for all tasks, stays as it is. Its hidden vector after the last
input visit and its log-odds of every disease in the longest window are read, with a spline of age,
sex, and the logarithm of 1 + the months since the last visit.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from behrt.errors import InputError
from behrt.learning import artefacts
from behrt.learning.engine import EVALUATION_BATCH, begin
from behrt.learning.outcomes import OutcomeExamples
from behrt.learning.run import TrainingRun
from behrt.models.forecast import READ_BY_ENCODER, TASK, Forecast, cut_batch, part_of
from behrt.outcome_models._regression import fit_regression, predict_regression
from behrt.outcome_models.age_sex import knots_of
from behrt.outcome_models.age_sex import read as age_and_sex
from behrt.settings.forecast import Settings
from behrt.settings.training import Optimisation

__all__ = ["Settings", "fit", "predict"]

PENALTIES = (30.0, 300.0, 3000.0)
LEAST_SPREAD = 1e-3
NETWORK = "network."


def _vectors(network: Forecast, settings: Settings, given: OutcomeExamples) -> np.ndarray:
    """Return float32 (n, hidden + diseases): the hidden vectors, and the log-odds of a task."""
    examples, found = given.examples, []
    network.eval()
    with torch.no_grad():
        for start in range(0, len(given), EVALUATION_BATCH):
            rows = np.arange(start, min(start + EVALUATION_BATCH, len(given)))
            last = examples.visit_offsets[rows + 1] - 1
            batch = cut_batch(settings, examples, rows, last, rows - start)
            hidden = network.encoder(**{name: batch.pop(name) for name in READ_BY_ENCODER})
            logits = network.logits(hidden, **batch, task=TASK)
            found.append(torch.cat([hidden.float(), logits.float()], 1))
    return torch.cat(found).numpy()


def _features(
    vectors: np.ndarray, knots: np.ndarray, mean: np.ndarray, spread: np.ndarray,
    given: OutcomeExamples,
) -> np.ndarray:  # fmt: skip
    gap = np.log1p(given.months_since_visit)[:, None]
    people = age_and_sex(knots, given)
    return np.concatenate([(vectors - mean) / spread, people, gap], axis=1)


def _network_of(
    weights: Mapping[str, np.ndarray], settings: Settings, config: Mapping[str, Any]
) -> Forecast:
    network = Forecast(settings, config["n_diseases"], [TASK], config.get("concepts"))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network


def fit(
    train: OutcomeExamples,
    tuning: OutcomeExamples,
    settings: Settings,
    optimisation: Optimisation | None,
    pretrained: Path | None,
    diseases: list[int],
    run: TrainingRun,
) -> None:
    """Fit; write the three files, the network among the weights, into `run.folder`.

    Raises:
        InputError: the weights for all tasks are missing.
    """
    if pretrained is None:
        raise InputError("forecast", "the weights for all tasks are missing", "Train first")
    begin(run)
    config = artefacts.read_config(pretrained.parent)
    weights = artefacts.read_weights(pretrained.parent)
    if "tasks" in config:  # trained for several tasks; else it is the model of one
        longest = max(config["tasks"], key=lambda name: config["tasks"][name] or 0)
        weights = part_of(weights, longest)
    settings = Settings(**config["settings"])
    network = _network_of(weights, settings, config)
    vectors = {id(part): _vectors(network, settings, part) for part in (train, tuning)}
    mean = vectors[id(train)].mean(axis=0)
    spread = np.maximum(vectors[id(train)].std(axis=0), LEAST_SPREAD)
    knots = knots_of(train)
    fit_regression(
        lambda given: _features(vectors[id(given)], knots, mean, spread, given),
        train,
        tuning,
        PENALTIES,
        settings,
        run,
        knots=knots,
        mean=mean,
        spread=spread,
        **{NETWORK + name: array for name, array in weights.items()},
    )


def predict(given: OutcomeExamples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n), the probabilities of the event."""
    begin(run)
    config, weights = artefacts.read_config(run.folder), artefacts.read_weights(run.folder)
    settings = Settings(**config["settings"])
    own = {n.removeprefix(NETWORK): a for n, a in weights.items() if n.startswith(NETWORK)}
    vectors = _vectors(_network_of(own, settings, config), settings, given)
    read = partial(_features, vectors, weights["knots"], weights["mean"], weights["spread"])
    return predict_regression(read, given, run)
