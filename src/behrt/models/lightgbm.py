"""Gradient boosting (LightGBM, Ke et al. 2017), trees for each disease, on counts, age and sex.

Features are the number of input visits with each disease (or word of another input), the age at the
last input visit in months, and sex as a category. With `times` they are also, for the last and for
the first record of each of them, 1 / (1 + months since then), which is 0 if there is no record; and
the months since the start of follow-up and the number of visits. Trees depend on the order of
values only, so a word that was never recorded is next to one that was recorded long ago.

A disease that fewer than `minimum_labels` training examples have as a label gets no trees: its
score is its prevalence. The trees are stored as LightGBM's text, byte for byte, in
model.safetensors: those of each disease by themselves if each has its own training set, or else
those of several diseases as the classes of one model, which prepares the features once.
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

SCORES_AT_ONCE = 2**22
"""Scores of training examples that are held at a time, so that memory does not grow with them."""


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

    bins: Annotated[int, Field(ge=2, le=255)] = 255
    """Different values of a feature that trees can tell apart, at most."""

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
        "max_bin": settings.bins,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


Loss = Callable[[np.ndarray, lightgbm.Dataset], tuple[np.ndarray, np.ndarray]]


def _text(booster: lightgbm.Booster) -> np.ndarray:
    return np.frombuffer(booster.model_to_string().encode(), dtype=np.uint8)


def _trees(text: np.ndarray) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=text.tobytes().decode())


def _log_odds(shares: np.ndarray) -> np.ndarray:
    odds: np.ndarray = np.log(shares) - np.log1p(-shares)
    return odds.astype(np.float64)


def _on_all(
    train: Examples, settings: Settings, parameters: dict[str, Any], enough: np.ndarray
) -> Weights:
    """Grow the trees of all diseases on all examples, those of several diseases together.

    Each disease has the loss, and so the trees, of LightGBM's `binary`.
    """
    table = features(train, settings.times)
    binned = lightgbm.Dataset(
        table,
        label=np.zeros(len(train), dtype=np.float32),
        categorical_feature=[table.shape[1] - 1],
        params=parameters,
        free_raw_data=False,
    )
    row_of_label = np.repeat(np.arange(len(train)), np.diff(train.label_offsets))
    prevalence = train.label_prevalence().astype(np.float32)
    at_once = max(1, SCORES_AT_ONCE // len(train))
    weights: Weights = {}
    for first in logs.progress(range(0, len(enough), at_once), label="trees", unit="parts"):
        diseases = enough[first : first + at_once].astype(np.int32)
        own = np.isin(train.labels, diseases)
        label = np.zeros((len(train), len(diseases)), dtype=np.float32)
        label[row_of_label[own], np.searchsorted(diseases, train.labels[own])] = 1
        booster = lightgbm.train(
            {
                **parameters,
                "objective": _loss(label, _log_odds(prevalence[diseases])),
                "num_class": len(diseases),
            },
            binned,
            num_boost_round=settings.trees,
            keep_training_booster=True,
        )
        weights |= {f"diseases.{first}": diseases, f"trees.{first}": _text(booster)}
    return weights


def _loss(label: np.ndarray, prior: np.ndarray) -> Loss:
    """Return the cross-entropy, as LightGBM takes it.

    Args:
        label: float32 (n, diseases), 0 or 1.
        prior: float64 (diseases), the log-odds that trees add to.
    """

    def derivatives(added: np.ndarray, _: lightgbm.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return the first two, float32 (n * diseases), from what the trees so far add."""
        log_odds = added.reshape(label.shape, order="F") + prior
        probability = expit(log_odds).astype(np.float32)
        second = probability * (1 - probability)
        return (probability - label).ravel(order="F"), second.ravel(order="F")

    return derivatives


def _on_samples(
    train: Examples,
    settings: Settings,
    parameters: dict[str, Any],
    enough: np.ndarray,
    run: TrainingRun,
) -> Weights:
    """Grow the trees of each disease on its own training set."""
    table = features(train, settings.times)
    sets = TrainingSets(train, settings, run)
    weights: Weights = {}
    for disease in logs.progress(enough, label="trees", unit="diseases"):
        chosen = sets.of(int(disease))
        columns = chosen.columns(train.n_words, 3 if settings.times else 1, table.shape[1])
        binned = lightgbm.Dataset(
            table[chosen.rows][:, columns],
            label=chosen.label.astype(np.float32),
            categorical_feature=[len(columns) - 1],
            params=parameters,
        )
        booster = lightgbm.train(
            parameters, binned, num_boost_round=settings.trees, keep_training_booster=True
        )
        weights |= {
            f"trees.{disease}": _text(booster),
            f"columns.{disease}": columns,
            f"{LOG_SHARE}.{disease}": np.array([chosen.log_share], dtype=np.float32),
        }
    return weights


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Grow the trees of every disease with enough labels."""
    parameters = parameters_of(settings, run.compute.seed)
    labelled = np.bincount(train.labels, minlength=train.n_diseases)
    is_enough = (labelled >= settings.minimum_labels) & (labelled < len(train))
    enough = np.flatnonzero(is_enough)
    with threadpool_limits(run.compute.threads):
        if settings.is_sampled:
            weights = _on_samples(train, settings, parameters, enough, run)
        else:
            weights = _on_all(train, settings, parameters, enough)
    logs.logger.info(
        "%d diseases have trees; %d rare diseases have their prevalence as score",
        len(enough),
        len(is_enough) - len(enough),
    )
    return {PREVALENCE: train.label_prevalence().astype(np.float32), **weights}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    prevalence = weights[PREVALENCE]
    scores = np.tile(prevalence, (len(examples), 1))
    table = features(examples, settings.times)
    with threadpool_limits(1):
        for name in sorted(name for name in weights if name.startswith("trees.")):
            grown, number = _trees(weights[name]), name.removeprefix("trees.")
            if settings.is_sampled:
                read = table[:, weights[f"columns.{number}"]]
                log_odds = grown.predict(read, raw_score=True) + weights[f"{LOG_SHARE}.{number}"]
                scores[:, int(number)] = expit(log_odds)
            else:
                diseases = weights[f"diseases.{number}"]
                added = np.asarray(grown.predict(table, raw_score=True))
                log_odds = added.reshape(len(examples), -1) + _log_odds(prevalence[diseases])
                scores[:, diseases] = expit(log_odds)
    return scores


_kind = Estimated("lightgbm", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
