"""Scores of predictions of one event, with intervals from resampled patients.

A patient may have several predictions, which are drawn together. Each prediction counts with its
weight.

* *AUROC* and *AUPRC* (average precision), ties as in `behrt.evaluation.metrics`.
* *Brier*: the mean squared distance of risks from events.
* *observed / expected*, *intercept* and *slope*: calibration, as `behrt.evaluation.calibration`
  defines them.

Recalibration keeps the order of the risks, so recalibrated risks have no AUROC and AUPRC of their
own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl
from scipy.special import logit

from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap, drawn_weights, interval
from behrt.evaluation.calibration import Cells, intercept_and_slope
from behrt.evaluation.decision import MODEL, RECALIBRATED
from behrt.evaluation.outcome_decision import ALL, OutcomeNetBenefit, net_benefits_of
from behrt.evaluation.outcome_reliability import OutcomeReliability, reliability_of
from behrt.evaluation.predicted import Predicted, read_predicted, recalibration_of
from behrt.evaluation.rankings import rank
from behrt.evaluation.recalibration import EDGE
from behrt.evaluation.subgroups import group_order
from behrt.logs import progress

METRICS = ("AUROC", "AUPRC", "Brier", "observed / expected", "intercept", "slope")
RANKING = ("AUROC", "AUPRC")
"""The metrics that depend on the order of the risks only."""
OBSERVED = "observed / expected"
SEXES = {0: "unknown", 1: "men", 2: "women"}
AGES = {"under 50": (0, 50), "50 to 64": (50, 65), "65 to 79": (65, 80), "80 and over": (80, 200)}
_DRAWS_AT_ONCE = 128


class OutcomeScores(dy.Schema):
    """One row per model, kind of risks, group and metric; null where a score is not defined."""

    model = dy.String()
    risks = dy.String(check=lambda risks: risks.is_in([MODEL, RECALIBRATED]))
    subgroup = dy.String(check=lambda subgroup: subgroup.is_in([ALL, "sex", "age", "region"]))
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


class _Measuring:
    """The metrics of predictions under weightings of the patients."""

    def __init__(self, predicted: Predicted) -> None:
        label, risk = predicted.label, np.clip(predicted.risk, EDGE, 1 - EDGE)
        self.ranking = rank(
            predicted.risk, label, predicted.patient, predicted.patients, weight=predicted.weight
        )
        self.sums = predicted.sums(np.ones(len(risk)), label, risk, (risk - label) ** 2)
        self.cells = Cells(risk, label, predicted.patient, predicted.patients, predicted.weight)
        self.log_odds = logit(self.cells.risk)

    def measure(self, weights: np.ndarray) -> np.ndarray:
        """Return float64 (metrics, r) under weightings (patients, r), NaN where undefined."""
        [([precision], [auroc], _)] = self.ranking.metrics(weights)
        total, events, expected, squares = self.sums.T @ weights
        pairs, positives = self.cells.pairs @ weights, self.cells.positives @ weights
        [intercept], [_, slope] = intercept_and_slope(self.log_odds, pairs, positives)
        if len(self.log_odds) == 1:  # one risk for all
            slope = np.full_like(slope, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [auroc, precision, squares / total, events / expected, intercept, slope]
            )


def scores_of(
    models: Mapping[str, Mapping[str, Predicted]],
    groups: Mapping[tuple[str, str], np.ndarray],
    reference: str,
    bootstrap: Bootstrap,
    name: str,
) -> dy.DataFrame[OutcomeScores]:
    """Return the scores of models on the same predictions, in groups of them.

    Args:
        models: the same predictions by model, the reference among them, and by the risks of the
            model.
        groups: bool (n), by subgroup and group.
        reference: the model that the others are compared with.
        bootstrap: the resamples of patients.
        name: of the outcome, which gives the draws.
    """
    keys = [
        (model, risks, group)
        for model, by_risks in models.items()
        for risks in by_risks
        for group, rows in groups.items()
        if rows.any()
    ]
    parts = [models[model][risks].select(groups[group]) for model, risks, group in keys]
    measuring = [_Measuring(part) for part in parts]
    patients = parts[0].patients
    estimates = np.stack([m.measure(np.ones((patients, 1)))[:, 0] for m in measuring])
    resampled: list[np.ndarray] = []
    with progress(total=bootstrap.resamples, label=name, unit="resamples") as bar:
        for weights in drawn_weights(patients, bootstrap, name, at_once=_DRAWS_AT_ONCE):
            resampled.append(np.stack([m.measure(weights) for m in measuring]))
            bar.update(weights.shape[1])
    drawn = np.concatenate(resampled, axis=2)
    rows = []
    for place, (model, risks, group) in enumerate(keys):
        base = keys.index((reference, risks, group))
        low, high = interval(drawn[place].T)
        difference = estimates[place] - estimates[base]
        difference_low, difference_high = interval((drawn[place] - drawn[base]).T)
        predicted = parts[place]
        people, positives = predicted.with_event()
        for at, metric in enumerate(METRICS):
            if risks == RECALIBRATED and metric in RANKING:
                continue
            itself = model == reference or at > METRICS.index("Brier")
            numbers = [estimates[place, at], low[at], high[at]]
            numbers += (
                [np.nan] * 3
                if itself
                else [difference[at], difference_low[at], difference_high[at]]
            )
            counts = [people, positives, len(predicted.label), int(predicted.label.sum())]
            rows.append((model, risks, *group, metric, *numbers, *counts))
    frame = pl.DataFrame(rows, schema=OutcomeScores.create_empty().schema, orient="row")
    return OutcomeScores.validate(frame.with_columns(pl.col(pl.Float64).fill_nan(None)))


def groups_of(sequences: list[Path], rows: pl.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Return bool (n) by subgroup and group: all, by sex, age at the prediction, and region.

    Args:
        sequences: the shards.
        rows: subject_id and prediction_time of the predictions.
    """
    traits = rows.join(
        pl.scan_parquet(sequences).select("subject_id", "sex", "birth_month", "region").collect(),
        on="subject_id",
        how="left",
        maintain_order="left",
    )
    time = pl.col("prediction_time").dt
    years = traits.select((time.year() * 12 + time.month() - 1 - pl.col("birth_month")) // 12)
    age, sex = years.to_series().to_numpy(), traits["sex"].to_numpy()
    region = traits["region"].cast(pl.String).fill_null("unknown").to_numpy()
    regions = sorted(np.unique(region), key=group_order)
    return {
        (ALL, ALL): np.ones(len(sex), dtype=bool),
        **{("sex", name): sex == number for number, name in SEXES.items()},
        **{("age", name): (age >= low) & (age < high) for name, (low, high) in AGES.items()},
        **{("region", name): region == name for name in regions if len(regions) > 1},
    }


@dataclass(frozen=True)
class OutcomeAssessment:
    """The results of `assess_outcome`, as frames."""

    scores: dy.DataFrame[OutcomeScores]
    reliability: dy.DataFrame[OutcomeReliability]
    net_benefit: dy.DataFrame[OutcomeNetBenefit]


def assess_outcome(
    predictions: Mapping[str, Path],
    sequences: list[Path],
    reference: str,
    bootstrap: Bootstrap,
    name: str,
) -> OutcomeAssessment:
    """Return the scores, reliability plots and decision curves of every model of an outcome.

    Risks are those of the model and, where a model has predictions for tuning patients, those that
    are recalibrated on them.

    Args:
        predictions: the file of each model.
        sequences: the shards.
        reference: the model that the others are compared with.
        bootstrap: the resamples of patients.
        name: of the outcome.

    Raises:
        InputError: the models were not predicted for the same patients and times.
    """
    models: dict[str, dict[str, Predicted]] = {}
    first = None
    for model, path in predictions.items():
        predicted, rows = read_predicted(path)
        first = rows if first is None else first
        if not rows.equals(first):
            raise InputError(path, "its predictions are not those of other models", "Train again")
        models[model] = {MODEL: predicted}
        if (recalibration := recalibration_of(path)) is not None:
            models[model][RECALIBRATED] = predicted.recalibrated(recalibration)
    assert first is not None
    groups = groups_of(sequences, first)
    return OutcomeAssessment(
        scores_of(models, groups, reference, bootstrap, name),
        reliability_of(models, bootstrap, name),
        net_benefits_of(models, groups, bootstrap, name),
    )
