"""Decision curves of one event, per prediction (`behrt.evaluation.decision`), also in groups."""

from collections.abc import Mapping
from dataclasses import replace

import dataframely as dy
import numpy as np
import polars as pl

from behrt.evaluation.bootstrap import Bootstrap, drawn_weights, interval
from behrt.evaluation.decision import EVERYBODY, STRATEGIES, THRESHOLDS
from behrt.evaluation.predicted import Predicted

ALL = "all"
"""The subgroup, and its only group, of all predictions."""
SUBGROUP_THRESHOLDS = (0.05, 0.1, 0.2)


class OutcomeNetBenefit(dy.Schema):
    """One row per group, model, strategy and threshold. Groups have a few thresholds only."""

    subgroup = dy.String()
    group = dy.String()
    model = dy.String()
    strategy = dy.String(check=lambda strategy: strategy.is_in(STRATEGIES))
    threshold = dy.Float64(min=0, max=1)
    value = dy.Float64(description="net true positives per prediction")
    low = dy.Float64(nullable=True)
    high = dy.Float64(nullable=True)
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


def net_benefits_of(
    models: Mapping[str, Mapping[str, Predicted]],
    groups: Mapping[tuple[str, str], np.ndarray],
    bootstrap: Bootstrap,
    name: str,
) -> dy.DataFrame[OutcomeNetBenefit]:
    """Return the decision curves of models, and of treating everybody, in groups of predictions.

    Args:
        models: the same predictions by model, and by the risks of the model.
        groups: bool (n), by subgroup and group.
        bootstrap: the resamples of patients.
        name: of the outcome, which gives the draws.
    """
    parts = []
    for (subgroup, group), rows in groups.items():
        if rows.any():
            selected = {
                model: {risks: predicted.select(rows) for risks, predicted in by_risks.items()}
                for model, by_risks in models.items()
            }
            thresholds = THRESHOLDS if subgroup == ALL else SUBGROUP_THRESHOLDS
            found = _net_benefits(selected, np.array(thresholds), bootstrap, name)
            parts.append(found.with_columns(subgroup=pl.lit(subgroup), group=pl.lit(group)))
    return OutcomeNetBenefit.validate(pl.concat(parts).select(OutcomeNetBenefit.column_names()))


def _net_benefits(
    models: Mapping[str, Mapping[str, Predicted]],
    thresholds: np.ndarray,
    bootstrap: Bootstrap,
    name: str,
) -> pl.DataFrame:
    odds = thresholds / (1 - thresholds)
    parts, per_patient = [], []
    for model, by_risks in models.items():
        first = next(iter(by_risks.values()))
        everybody = replace(first, risk=np.ones_like(first.risk))
        for strategy, predicted in {**by_risks, EVERYBODY: everybody}.items():
            chosen = predicted.risk[:, np.newaxis] >= thresholds
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
                pl.DataFrame({"threshold": thresholds}).with_columns(
                    model=pl.lit(model),
                    strategy=pl.lit(strategy),
                    predictions=pl.lit(len(label), pl.Int64),
                    events=pl.lit(int(label.sum()), pl.Int64),
                    treated=pl.Series(treated, dtype=pl.Int64),
                    rightly=pl.Series(rightly, dtype=pl.Int64),
                    in_vain=pl.Series(chosen.sum(axis=0) - rightly, dtype=pl.Int64),
                    weighted=pl.lit(bool(len(np.unique(predicted.weight)) > 1)),
                )
            )
    total = first.sums(np.ones(len(first.label)))[:, 0]
    worth = np.concatenate(per_patient, axis=1)
    with np.errstate(invalid="ignore"):  # a resample may have no patient of a small group
        drawn = [
            (weights.T @ worth) / (weights.T @ total)[:, np.newaxis]
            for weights in drawn_weights(first.patients, bootstrap, name)
        ]
    low, high = interval(np.concatenate(drawn))
    return pl.concat(parts).with_columns(
        value=pl.Series(worth.sum(axis=0) / total.sum()),
        low=pl.Series(low).fill_nan(None),
        high=pl.Series(high).fill_nan(None),
    )
