"""The points of the reliability plots of every model on each outcome."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, is_small, suppress
from behrt.evaluation.tidy import SMALL_DECIMALS
from behrt.run import Run
from behrt.tables.every_outcome import of_every_outcome

_SCORES = ("predicted", "observed", "low", "high")


def table(run: Run, reliability: list[Path], outcomes: Mapping[str, str]) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        reliability: outcomes/<outcome>/assessment/<labels>/reliability.parquet of every outcome.
        outcomes: what each outcome is, by name, in the order of the rows.
    """
    return of_every_outcome(run, reliability, outcomes, tabulate)


def tabulate(reliability: pl.DataFrame, outcome: str, rules: Rules) -> pl.DataFrame:
    """Return the points of the reliability plots of an outcome as they may be shown.

    A group is hidden if few patients in it have the event, or few do not, and so is another group
    from which it would follow. Observed shares are computed from the counts as shown.

    Args:
        reliability: `behrt.evaluation.outcome_reliability.OutcomeReliability`.
        outcome: its name.
        rules: which count of patients is too small to show, and how to round.

    Returns:
        outcome, model, risks, kind String; predicted, observed, low, high Float64; share Float64 of
        all predictions, null for the curve.
    """
    predictions, events = pl.col("predictions"), pl.col("events")
    parts = []
    for part in reliability.partition_by("model", "risks", maintain_order=True):
        groups = part.filter(kind="group").with_columns(
            share=rules.share(predictions, predictions.sum())
        )
        counts = [groups[name].to_numpy() for name in ("positives", "negatives")]
        few = np.any([hide_parts(count, rules.threshold) for count in counts], axis=0)
        as_shown = rules.share(events, predictions) / (events / predictions)
        shown = pl.when(events > 0).then(as_shown).otherwise(1.0)
        groups = groups.with_columns((pl.col("observed", "low", "high") * shown).clip(0, 1))
        curve = part.filter(kind="curve").with_columns(share=pl.lit(None, pl.Float64))
        # A curve has no counts of its own: it is of all predictions.
        too_few = is_small(np.array([count.sum() for count in counts]), rules.threshold).any()
        parts += [
            suppress(groups, few, [*_SCORES, "share"]),
            suppress(curve, np.full(len(curve), too_few), _SCORES),
        ]
    rounded = pl.col(*_SCORES, "share").round(SMALL_DECIMALS)
    columns = ["model", "risks", "kind", *_SCORES, "share"]
    return pl.concat(parts).select(pl.lit(outcome).alias("outcome"), *columns).with_columns(rounded)
