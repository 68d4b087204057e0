"""Scores of predictions of one event, with intervals from resampled patients.

A patient may have several predictions, which are drawn together. Each prediction counts with its
weight.

* *AUROC* and *AUPRC* (average precision), ties as in `behrt.evaluation.metrics`.
* *Brier*: the mean squared distance of risks from events.
* *observed / expected*, *intercept* and *slope*: calibration, as `behrt.evaluation.calibration`
  defines them.
* Net benefit, as `behrt.evaluation.decision` defines it, per prediction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.special import logit

from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap, draws, interval
from behrt.evaluation.calibration import logistic
from behrt.evaluation.decision import EVERYBODY, MODEL, THRESHOLDS
from behrt.evaluation.metrics import Ranking
from behrt.evaluation.recalibration import EDGE
from behrt.logs import progress
from behrt.sequences.frames import HELD_OUT

METRICS = ("AUROC", "AUPRC", "Brier", "observed / expected", "intercept", "slope")
OBSERVED = "observed / expected"
SEXES = {0: "unknown", 1: "men", 2: "women"}
AGES = {"under 50": (0, 50), "50 to 64": (50, 65), "65 to 79": (65, 80), "80 and over": (80, 200)}
ALL = "all"
_CELL = 0.02
_DRAWS_AT_ONCE = 128


class OutcomeScores(dy.Schema):
    """One row per model, group of patients and metric; null where a score is not defined."""

    model = dy.String()
    subgroup = dy.String(check=lambda subgroup: subgroup.is_in([ALL, "sex", "age"]))
    group = dy.String()
    metric = dy.String(check=lambda metric: metric.is_in(METRICS))
    value = dy.Float64(nullable=True)
    low = dy.Float64(nullable=True)
    high = dy.Float64(nullable=True)
    difference = dy.Float64(nullable=True, description="from the reference")
    difference_low = dy.Float64(nullable=True)
    difference_high = dy.Float64(nullable=True)
    patients = dy.Int64(min=0)
    positives = dy.Int64(min=0, description="patients with the event after a prediction")
    predictions = dy.Int64(min=0)
    events = dy.Int64(min=0, description="predictions with the event")


class OutcomeNetBenefit(dy.Schema):
    """One row per model, strategy and threshold."""

    model = dy.String()
    strategy = dy.String(check=lambda strategy: strategy.is_in([MODEL, EVERYBODY]))
    threshold = dy.Float64(min=0, max=1)
    value = dy.Float64(description="net true positives per prediction")
    low = dy.Float64()
    high = dy.Float64()
    predictions = dy.Int64(min=0)
    events = dy.Int64(min=0)
    treated = dy.Int64(
        min=0,
        description="the fewest patients behind a count: treated after any prediction, one with "
        "the event, or one without it; a count of 0 is ignored",
    )
    rightly = dy.Int64(min=0, description="predictions treated, with the event")
    in_vain = dy.Int64(min=0, description="predictions treated, without the event")
    weighted = dy.Bool(description="whether predictions have different weights")


@dataclass(frozen=True)
class Predicted:
    """Predictions of one model.

    Attributes:
        patient: int64 (n), the number of each prediction's patient, from 0 on.
        patients: their number.
        risk: float64 (n).
        label: bool (n).
        weight: float64 (n).
    """

    patient: np.ndarray
    patients: int
    risk: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    def select(self, rows: np.ndarray) -> "Predicted":
        """Return some predictions (bool or int64); patients keep their numbers."""
        return Predicted(
            self.patient[rows],
            self.patients,
            self.risk[rows],
            self.label[rows],
            self.weight[rows],
        )

    def sums(self, *values: np.ndarray) -> np.ndarray:
        """Return float64 (patients, k): each patient's weighted sums of values."""
        columns = [
            np.bincount(self.patient, self.weight * value, minlength=self.patients)
            for value in values
        ]
        return np.stack(columns, axis=1)

    def with_event(self) -> tuple[int, int]:
        """Return the number of patients, and of those with the event after a prediction."""
        return len(np.unique(self.patient)), len(np.unique(self.patient[self.label]))


class _Measuring:
    """The metrics of predictions under weightings of the patients."""

    def __init__(self, predicted: Predicted) -> None:
        label, risk = predicted.label, np.clip(predicted.risk, EDGE, 1 - EDGE)
        self.ranking = _rank(predicted)
        self.sums = predicted.sums(np.ones(len(risk)), label, risk, (risk - label) ** 2)
        odds = logit(risk)
        places, cell = np.unique(np.round(odds / _CELL).astype(np.int64), return_inverse=True)
        self.log_odds = np.bincount(cell, odds) / np.bincount(cell) if len(places) else odds
        shape = (len(places), predicted.patients)
        self.pairs = _counted(predicted.weight, cell, predicted.patient, shape)
        self.positives = _counted(
            predicted.weight[label], cell[label], predicted.patient[label], shape
        )

    def measure(self, weights: np.ndarray) -> np.ndarray:
        """Return float64 (metrics, r) under weightings (patients, r), NaN where undefined."""
        precision, auroc = self.ranking.metrics(weights)
        total, events, expected, squares = self.sums.T @ weights
        pairs, positives = self.pairs @ weights, self.positives @ weights
        line = np.stack([np.ones_like(self.log_odds), self.log_odds], axis=1)
        intercept = logistic(line[:, :1], pairs, positives, self.log_odds)[0]
        slope = logistic(line, pairs, positives)[1]
        if len(self.log_odds) == 1:  # one risk for all
            slope = np.full_like(slope, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [auroc, precision, squares / total, events / expected, intercept, slope]
            )


def _counted(
    values: np.ndarray, group: np.ndarray, patient: np.ndarray, shape: tuple[int, int]
) -> csr_array:
    counted = csr_array((values, (group, patient)), shape=shape)
    counted.sum_duplicates()
    return counted


def _rank(predicted: Predicted) -> Ranking:
    """Return the predictions in order of their risks, with weights: see `metrics.rank`."""
    label, patients = predicted.label, predicted.patients
    thresholds, group = np.unique(predicted.risk[label], return_inverse=True)
    others = predicted.risk[~label]
    segment = np.searchsorted(thresholds, others, "left")
    segment = segment + np.searchsorted(thresholds, others, "right")
    return Ranking(
        _counted(
            predicted.weight[label], group, predicted.patient[label], (len(thresholds), patients)
        ),
        _counted(
            predicted.weight[~label],
            segment,
            predicted.patient[~label],
            (2 * len(thresholds) + 1, patients),
        ),
    )


def scores_of(
    models: Mapping[str, Predicted],
    groups: Mapping[tuple[str, str], np.ndarray],
    reference: str,
    bootstrap: Bootstrap,
    name: str,
) -> dy.DataFrame[OutcomeScores]:
    """Return the scores of models on the same predictions, in groups of them.

    Args:
        models: by name, the reference among them.
        groups: bool (n), by subgroup and group.
        reference: the model that the others are compared with.
        bootstrap: the resamples of patients.
        name: of the outcome, which gives the draws.
    """
    keys = [(model, group) for model in models for group, rows in groups.items() if rows.any()]
    parts = [models[model].select(groups[group]) for model, group in keys]
    measuring = [_Measuring(part) for part in parts]
    patients = next(iter(models.values())).patients
    estimates = np.stack([m.measure(np.ones((patients, 1)))[:, 0] for m in measuring])
    resampled: list[np.ndarray] = []
    with progress(total=bootstrap.resamples, label=name, unit="resamples") as bar:
        for weights in draws(patients, bootstrap, name):
            for start in range(0, len(weights), _DRAWS_AT_ONCE):
                some = np.ascontiguousarray(weights[start : start + _DRAWS_AT_ONCE].T)
                resampled.append(np.stack([m.measure(some) for m in measuring]))
                bar.update(some.shape[1])
    drawn = np.concatenate(resampled, axis=2)
    rows = []
    for place, (model, group) in enumerate(keys):
        base = keys.index((reference, group))
        low, high = interval(drawn[place].T)
        difference = estimates[place] - estimates[base]
        difference_low, difference_high = interval((drawn[place] - drawn[base]).T)
        predicted = parts[place]
        people, positives = predicted.with_event()
        for at, metric in enumerate(METRICS):
            itself = model == reference or at > METRICS.index("Brier")
            numbers = [estimates[place, at], low[at], high[at]]
            numbers += (
                [np.nan] * 3
                if itself
                else [difference[at], difference_low[at], difference_high[at]]
            )
            counts = [people, positives, len(predicted.label), int(predicted.label.sum())]
            rows.append((model, *group, metric, *numbers, *counts))
    frame = pl.DataFrame(rows, schema=OutcomeScores.create_empty().schema, orient="row")
    return OutcomeScores.validate(frame.with_columns(pl.col(pl.Float64).fill_nan(None)))


def net_benefits_of(
    models: Mapping[str, Predicted], bootstrap: Bootstrap, name: str
) -> dy.DataFrame[OutcomeNetBenefit]:
    """Return the decision curves of models, and of treating everybody."""
    odds = np.array(THRESHOLDS) / (1 - np.array(THRESHOLDS))
    parts, per_patient = [], []
    for model, predicted in models.items():
        for strategy in (MODEL, EVERYBODY):
            risk = predicted.risk if strategy == MODEL else np.ones_like(predicted.risk)
            chosen = risk[:, np.newaxis] >= np.array(THRESHOLDS)
            label = predicted.label[:, np.newaxis]
            worth = chosen * (label - ~label * odds)
            per_patient.append(predicted.sums(*worth.T))
            kinds = (chosen, chosen & label, chosen & ~label)
            people = np.array(
                [[len(np.unique(predicted.patient[of])) for of in kind.T] for kind in kinds]
            )
            treated = np.where(people > 0, people, people[0]).min(axis=0)
            rightly = (chosen & label).sum(axis=0)
            parts.append(
                pl.DataFrame({"threshold": THRESHOLDS}).with_columns(
                    model=pl.lit(model),
                    strategy=pl.lit(strategy),
                    predictions=pl.lit(len(risk), pl.Int64),
                    events=pl.lit(int(predicted.label.sum()), pl.Int64),
                    treated=pl.Series(treated, dtype=pl.Int64),
                    rightly=pl.Series(rightly, dtype=pl.Int64),
                    in_vain=pl.Series(chosen.sum(axis=0) - rightly, dtype=pl.Int64),
                    weighted=pl.lit(bool(len(np.unique(predicted.weight)) > 1)),
                )
            )
    first = next(iter(models.values()))
    total = first.sums(np.ones(len(first.label)))[:, 0]
    worth = np.concatenate(per_patient, axis=1)
    drawn = [
        (w @ worth) / (w @ total)[:, np.newaxis] for w in draws(first.patients, bootstrap, name)
    ]
    low, high = interval(np.concatenate(drawn))
    frame = pl.concat(parts).with_columns(
        value=pl.Series(worth.sum(axis=0) / total.sum()), low=pl.Series(low), high=pl.Series(high)
    )
    return OutcomeNetBenefit.validate(frame.select(OutcomeNetBenefit.column_names()))


def read_predicted(path: Path) -> tuple[Predicted, pl.DataFrame]:
    """Return a model's predictions for the held-out patients, and their subjects and times.

    Raises:
        InputError: a risk is not within 0 to 1.
    """
    frame = pl.read_parquet(path).filter(split=HELD_OUT)
    risk = frame["predicted_boolean_probability"].to_numpy()
    if not ((risk >= 0) & (risk <= 1)).all():
        raise InputError(path, "a risk is not within 0 to 1", "Train the model again")
    subjects, patient = np.unique(frame["subject_id"].to_numpy(), return_inverse=True)
    label, weight = (frame[name].to_numpy() for name in ("boolean_value", "weight"))
    predicted = Predicted(patient, len(subjects), risk, label, weight)
    return predicted, frame.select("subject_id", "prediction_time")


def groups_of(sequences: list[Path], rows: pl.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Return bool (n) by subgroup and group: all, by sex, and by age at the prediction.

    Args:
        sequences: the shards.
        rows: subject_id and prediction_time of the predictions.
    """
    traits = rows.join(
        pl.scan_parquet(sequences).select("subject_id", "sex", "birth_month").collect(),
        on="subject_id",
        how="left",
        maintain_order="left",
    )
    time = pl.col("prediction_time").dt
    years = traits.select((time.year() * 12 + time.month() - 1 - pl.col("birth_month")) // 12)
    age, sex = years.to_series().to_numpy(), traits["sex"].to_numpy()
    return {
        (ALL, ALL): np.ones(len(sex), dtype=bool),
        **{("sex", name): sex == number for number, name in SEXES.items()},
        **{("age", name): (age >= low) & (age < high) for name, (low, high) in AGES.items()},
    }


def assess_outcome(
    predictions: Mapping[str, Path],
    sequences: list[Path],
    reference: str,
    bootstrap: Bootstrap,
    name: str,
) -> tuple[dy.DataFrame[OutcomeScores], dy.DataFrame[OutcomeNetBenefit]]:
    """Return the scores and the net benefits of every model of an outcome.

    Args:
        predictions: the file of each model.
        sequences: the shards.
        reference: the model that the others are compared with.
        bootstrap: the resamples of patients.
        name: of the outcome.

    Raises:
        InputError: the models were not predicted for the same patients and times.
    """
    models, first = {}, None
    for model, path in predictions.items():
        models[model], rows = read_predicted(path)
        first = rows if first is None else first
        if not rows.equals(first):
            raise InputError(path, "its predictions are not those of other models", "Train again")
    assert first is not None
    groups = groups_of(sequences, first)
    return (
        scores_of(models, groups, reference, bootstrap, name),
        net_benefits_of(models, bootstrap, name),
    )
