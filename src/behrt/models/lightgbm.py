"""Gradient boosting (LightGBM, Ke et al. 2017), one model per disease, on counts, age and sex.

Features are the number of input visits with each disease, the age at the last input visit in
months, and sex as a category. A disease that fewer than `minimum_labels` training patients have
as a label gets no trees: its score is its prevalence. The trees are stored as LightGBM's text, byte
for byte, in model.safetensors.
"""

from typing import Annotated, Any

import lightgbm
import numpy as np
from pydantic import Field
from scipy.sparse import csr_matrix, hstack
from threadpoolctl import threadpool_limits

from behrt import logs
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import ages, counts
from behrt.learning.run import TrainingRun
from behrt.settings.base import Count, NotNegative, Positive, Section

PREVALENCE = "prevalence"


class Settings(Section):
    """How trees are grown. The parameters that are not listed are LightGBM's defaults."""

    trees: Count = 50
    """Trees per disease."""

    leaves: Annotated[int, Field(ge=2)] = 8
    """Leaves per tree, at most."""

    learning_rate: Positive = 0.1
    """Share of each tree that is added to the sum."""

    minimum_patients: Count = 20
    """Patients per leaf, at least."""

    ridge: NotNegative = 10.0
    """Penalty of the leaves' squared values."""

    minimum_labels: Count = 30
    """A disease that fewer training patients have as a label gets no trees."""


def features(examples: Examples) -> csr_matrix:
    """Return float32 (n, n_diseases + 2): counts, age in months, sex."""
    people = np.stack([ages(examples), examples.sex], axis=1).astype(np.float32)
    return csr_matrix(hstack([counts(examples), csr_matrix(people)]))


def _parameters(settings: Settings, seed: int) -> dict[str, Any]:
    # Nothing here may depend on the machine, because the text of a model contains it.
    return {
        "objective": "binary",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.minimum_patients,
        "lambda_l2": settings.ridge,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Grow the trees of every disease with enough labels."""
    parameters = _parameters(settings, run.compute.seed)
    labelled = np.bincount(train.labels, minlength=train.n_diseases)
    enough = (labelled >= settings.minimum_labels) & (labelled < len(train))
    weights = {PREVALENCE: train.label_prevalence().astype(np.float32)}
    patient_of_label = np.repeat(np.arange(len(train)), np.diff(train.label_offsets))
    with threadpool_limits(run.compute.threads):
        table = lightgbm.Dataset(
            features(train),
            label=np.zeros(len(train), dtype=np.float32),
            categorical_feature=[train.n_diseases + 1],
            params=parameters,
            free_raw_data=False,
        )
        for disease in logs.progress(np.flatnonzero(enough), label="trees", unit="diseases"):
            label = np.zeros(len(train), dtype=np.float32)
            label[patient_of_label[train.labels == disease]] = 1
            table.set_label(label)
            booster = lightgbm.train(parameters, table, num_boost_round=settings.trees)
            text = booster.model_to_string().encode()
            weights[f"trees.{disease}"] = np.frombuffer(text, dtype=np.uint8)
    logs.logger.info(
        "%d diseases have trees; %d rare diseases have their prevalence as score",
        enough.sum(),
        (~enough).sum(),
    )
    return weights


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    scores = np.tile(weights[PREVALENCE], (len(examples), 1))
    table = features(examples)
    with threadpool_limits(1):
        for name in sorted(weights.keys() - {PREVALENCE}):
            text = weights[name].tobytes().decode()
            disease = int(name.removeprefix("trees."))
            scores[:, disease] = lightgbm.Booster(model_str=text).predict(table)
    return scores


_kind = Estimated("lightgbm", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
