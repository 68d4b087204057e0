"""Reliability plots of one event: observed shares against risks (`behrt.evaluation.calibration`).

Each prediction counts with its weight.
"""

from collections.abc import Mapping

import dataframely as dy
import numpy as np
import polars as pl
from scipy.special import expit

from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.calibration import CellMeasures, Cells
from behrt.evaluation.predicted import Predicted


class OutcomeReliability(dy.Schema):
    """One row per model, kind of risks, and point of a reliability plot.

    A *group* has a tenth of the expected events; the *curve* is the smooth calibration curve. The
    counts are those of a group, and null for the curve.
    """

    model = dy.String()
    risks = dy.String()
    kind = dy.String(check=lambda kind: kind.is_in(["group", "curve"]))
    predicted = dy.Float64(min=0, max=1)
    observed = dy.Float64(nullable=True, min=0, max=1)
    low = dy.Float64(nullable=True, min=0, max=1)
    high = dy.Float64(nullable=True, min=0, max=1)
    predictions = dy.Int64(nullable=True, min=0)
    events = dy.Int64(nullable=True, min=0, description="predictions with the event")
    positives = dy.Int64(nullable=True, min=0, description="patients with the event after one")
    negatives = dy.Int64(nullable=True, min=0, description="patients without it after one")


def reliability_of(
    models: Mapping[str, Mapping[str, Predicted]], bootstrap: Bootstrap, name: str
) -> dy.DataFrame[OutcomeReliability]:
    """Return the points of the reliability plots.

    Args:
        models: the same predictions by model, and by the risks of the model.
        bootstrap: the resamples of patients.
        name: of the outcome, which gives the draws.
    """
    parts = [
        _points(predicted, bootstrap, name).with_columns(model=pl.lit(model), risks=pl.lit(risks))
        for model, by_risks in models.items()
        for risks, predicted in by_risks.items()
    ]
    return OutcomeReliability.validate(
        pl.concat(parts).select(OutcomeReliability.column_names()), cast=True
    )


def _points(predicted: Predicted, bootstrap: Bootstrap, name: str) -> pl.DataFrame:
    given = predicted.risk, predicted.label, predicted.patient, predicted.patients
    cells, counted = Cells(*given, predicted.weight), Cells(*given)
    measuring = CellMeasures(cells.risk, *cells.sums(bootstrap, name))
    (_, *estimates), (_, *intervals) = measuring.resample()

    def frame(which: int, **columns: object) -> pl.DataFrame:
        low, high = intervals[which]
        numbers = pl.DataFrame({"observed": estimates[which], "low": low, "high": high})
        return numbers.fill_nan(None).with_columns(**columns)  # type: ignore[arg-type]

    members = measuring.members
    pairs, positives = members @ counted.pairs, members @ counted.positives
    held = members @ cells.pairs.sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean_risk = members @ (cells.pairs.sum(axis=1) * cells.risk) / held
    groups = frame(
        0,
        kind=pl.lit("group"),
        predicted=pl.Series(mean_risk),
        predictions=pl.Series(pairs.sum(axis=1)),
        events=pl.Series(positives.sum(axis=1)),
        positives=pl.Series((positives > 0).sum(axis=1)),
        negatives=pl.Series((pairs - positives > 0).sum(axis=1)),
    ).filter(pl.col("predictions") > 0)
    counts = ("predictions", "events", "positives", "negatives")
    curve = frame(
        1,
        kind=pl.lit("curve"),
        predicted=pl.Series(expit(measuring.points)),
        **{count: pl.lit(None, pl.Float64) for count in counts},
    )
    return pl.concat([groups.with_columns(pl.col(counts).cast(pl.Float64)), curve])
