"""Gradient boosting (LightGBM, Ke et al. 2017), one model per disease, on counts, age and sex.

Features are the number of input visits with each disease (or word of another input), the age at the
last input visit in months, and sex as a category. With `times` they are also, for the last and for
the first record of each of them, 1 / (1 + months since then), which is 0 if there is no record; and
the months since the start of follow-up and the number of visits. Trees depend on the order of
values only, so a word that was never recorded is next to one that was recorded long ago.

A disease that fewer than `minimum_labels` training examples have as a label gets no trees: its
score is its prevalence. The trees are stored as LightGBM's text, byte for byte, in
model.safetensors.
"""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit
from threadpoolctl import threadpool_limits

from behrt import fast_start, logs
from behrt.learning.case_control import CaseControl, TrainingSets
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import ages, counts, observed, record_times
from behrt.learning.run import TrainingRun
from behrt.settings.base import Count, NotNegative, Positive

with fast_start.without("pandas", "sklearn"):  # it imports both, and needs neither here
    import lightgbm

PREVALENCE = "prevalence"
LOG_SHARE = "log_share"


class Settings(CaseControl):
    """How trees are grown. The parameters that are not listed are LightGBM's defaults."""

    trees: Count = 50
    """Trees per disease."""

    leaves: Annotated[int, Field(ge=2)] = 8
    """Leaves per tree, at most."""

    learning_rate: Positive = 0.1
    """Share of each tree that is added to the sum."""

    minimum_patients: Count = 20
    """Training examples per leaf, at least."""

    ridge: NotNegative = 10.0
    """Penalty of the leaves' squared values."""

    minimum_labels: Count = 30
    """A disease that fewer training examples have as a label gets no trees."""


def features(examples: Examples, times: bool) -> csr_matrix:
    """Return float32: counts, with `times` recencies and observation, then age in months and sex.

    Returns:
        (n, n_words + 2), or with `times` (n, 3 n_words + 4).
    """
    people = [ages(examples), examples.sex]
    parts = [counts(examples)]
    if times:
        records = record_times(examples)
        parts += [records.matrix(1 / (1 + months)) for months in (records.last, records.first)]
        people = [*observed(examples).T, *people]
    rest = csr_matrix(np.stack(people, axis=1).astype(np.float32))
    return csr_matrix(hstack([*parts, rest]))


def parameters_of(settings: Settings, seed: int) -> dict[str, Any]:
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


Grow = Callable[[int], tuple[lightgbm.Booster, Weights]]
"""Returns the trees of a disease, and what else is stored of it."""


def _on_all(train: Examples, settings: Settings, parameters: dict[str, Any]) -> Grow:
    """Return the function that grows trees on all examples, whose features are binned once."""
    table = features(train, settings.times)
    binned = lightgbm.Dataset(
        table,
        label=np.zeros(len(train), dtype=np.float32),
        categorical_feature=[table.shape[1] - 1],
        params=parameters,
        free_raw_data=False,
    )
    row_of_label = np.repeat(np.arange(len(train)), np.diff(train.label_offsets))

    def grow(disease: int) -> tuple[lightgbm.Booster, Weights]:
        label = np.zeros(len(train), dtype=np.float32)
        label[row_of_label[train.labels == disease]] = 1
        binned.set_label(label)
        return lightgbm.train(parameters, binned, num_boost_round=settings.trees), {}

    return grow


def _on_samples(
    train: Examples, settings: Settings, parameters: dict[str, Any], run: TrainingRun
) -> Grow:
    """Return the function that grows trees on each disease's own training set."""
    table = features(train, settings.times)
    sets = TrainingSets(train, settings, run)

    def grow(disease: int) -> tuple[lightgbm.Booster, Weights]:
        chosen = sets.of(disease)
        columns = chosen.columns(train.n_words, 3 if settings.times else 1, table.shape[1])
        binned = lightgbm.Dataset(
            table[chosen.rows][:, columns],
            label=chosen.label.astype(np.float32),
            categorical_feature=[len(columns) - 1],
            params=parameters,
        )
        booster = lightgbm.train(parameters, binned, num_boost_round=settings.trees)
        share = np.array([chosen.log_share], dtype=np.float32)
        return booster, {f"columns.{disease}": columns, f"{LOG_SHARE}.{disease}": share}

    return grow


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Grow the trees of every disease with enough labels."""
    parameters = parameters_of(settings, run.compute.seed)
    labelled = np.bincount(train.labels, minlength=train.n_diseases)
    enough = (labelled >= settings.minimum_labels) & (labelled < len(train))
    weights = {PREVALENCE: train.label_prevalence().astype(np.float32)}
    with threadpool_limits(run.compute.threads):
        if settings.is_sampled:
            grow = _on_samples(train, settings, parameters, run)
        else:
            grow = _on_all(train, settings, parameters)
        for disease in logs.progress(np.flatnonzero(enough), label="trees", unit="diseases"):
            booster, stored = grow(int(disease))
            text = booster.model_to_string().encode()
            weights |= {f"trees.{disease}": np.frombuffer(text, dtype=np.uint8), **stored}
    logs.logger.info(
        "%d diseases have trees; %d rare diseases have their prevalence as score",
        enough.sum(),
        (~enough).sum(),
    )
    return weights


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    scores = np.tile(weights[PREVALENCE], (len(examples), 1))
    table = features(examples, settings.times)
    with threadpool_limits(1):
        for name in sorted(name for name in weights if name.startswith("trees.")):
            booster = lightgbm.Booster(model_str=weights[name].tobytes().decode())
            disease = int(name.removeprefix("trees."))
            if settings.is_sampled:
                read = table[:, weights[f"columns.{disease}"]]
                log_odds = booster.predict(read, raw_score=True)
                scores[:, disease] = expit(log_odds + weights[f"{LOG_SHARE}.{disease}"])
            else:
                scores[:, disease] = booster.predict(table)
    return scores


_kind = Estimated("lightgbm", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
