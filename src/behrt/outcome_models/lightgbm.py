"""Gradient boosting of an outcome, on the features of `behrt.models.lightgbm`.

The months since the last visit are one more feature. There are ten times `trees` trees at most;
the number with the least loss on the tuning patients is used. All predictions and all diseases are
read: the settings `controls`, `diseases` and `minimum_labels` are not used.
"""

import json

import numpy as np
from scipy.sparse import csr_matrix, hstack
from threadpoolctl import threadpool_limits

from behrt import fast_start
from behrt.learning.artefacts import read_config, read_weights, write_model
from behrt.learning.outcomes import OutcomeExamples, weighted_log_loss
from behrt.learning.run import TrainingRun, read_settings
from behrt.models.lightgbm import Settings, features, parameters_of

with fast_start.without("pandas", "sklearn"):
    import lightgbm

__all__ = ["Settings", "fit", "predict", "read"]

MORE_TREES = 10
PATIENCE = 30
"""Trees without a lower tuning loss before no more are grown."""


def read(times: bool, given: OutcomeExamples) -> csr_matrix:
    """Return float32 (n, features); sex is the last."""
    gap = csr_matrix(given.months_since_visit[:, None].astype(np.float32))
    return csr_matrix(hstack([gap, features(given.examples, times)]))


def fit(
    train: OutcomeExamples,
    tuning: OutcomeExamples,
    settings: Settings,
    optimisation: None,
    pretrained: None,
    diseases: list[int],
    run: TrainingRun,
) -> None:
    """Grow the trees; write the three files into `run.folder`."""
    parameters = parameters_of(settings, run.compute.seed)
    table = read(settings.times, train)
    binned = lightgbm.Dataset(
        table,
        label=train.label.astype(np.float32),
        weight=train.weight,
        categorical_feature=[table.shape[1] - 1],
        params=parameters,
    )
    checked = lightgbm.Dataset(
        read(settings.times, tuning),
        label=tuning.label.astype(np.float32),
        weight=tuning.weight,
        reference=binned,
    )
    with threadpool_limits(run.compute.threads):
        booster = lightgbm.train(
            parameters,
            binned,
            num_boost_round=MORE_TREES * settings.trees,
            valid_sets=[checked],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    stored = np.frombuffer(text.encode(), dtype=np.uint8)
    loss = weighted_log_loss(_probabilities(stored, settings, tuning), tuning)
    line = json.dumps({"tuning_loss": loss, "trees": booster.best_iteration})
    write_model(run, settings, train.examples.n_diseases, {"trees": stored}, [line])


def _probabilities(stored: np.ndarray, settings: Settings, given: OutcomeExamples) -> np.ndarray:
    booster = lightgbm.Booster(model_str=stored.tobytes().decode())
    with threadpool_limits(1):
        predicted = np.asarray(booster.predict(read(settings.times, given)))
    return predicted.astype(np.float32)


def predict(given: OutcomeExamples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n), the probabilities of the event."""
    settings = read_settings(Settings, read_config(run.folder)["settings"])
    return _probabilities(read_weights(run.folder)["trees"], settings, given)
