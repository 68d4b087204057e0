"""Every model's scores on each outcome, for all patients and in subgroups."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, suppress
from behrt.evaluation.outcomes import ALL, OBSERVED
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.run import Run

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")


def table(run: Run, scores: list[Path], outcomes: Mapping[str, str]) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        scores: outcomes/<outcome>/assessment/<labels>/scores.parquet of every outcome.
        outcomes: what each outcome is, by name, in the order of the rows.
    """
    return of_every_outcome(run, scores, outcomes, tabulate)


def of_every_outcome(
    run: Run,
    assessments: list[Path],
    outcomes: Mapping[str, str],
    tabulate: Callable[[pl.DataFrame, str, Rules], pl.DataFrame],
) -> pl.DataFrame:
    """Return protocol String, and the rows of every outcome.

    Args:
        run: the run.
        assessments: a file of outcomes/<outcome>/assessment/<labels>/ of every outcome.
        outcomes: what each outcome is, by name, in the order of the rows.
        tabulate: returns the rows of one, from its file, its name and the disclosure rules.
    """
    of_outcome = {path.parents[2].name: path for path in assessments}
    parts = [tabulate(pl.read_parquet(of_outcome[name]), name, run.disclosure) for name in outcomes]
    return with_facts(pl.concat(parts), protocol=run.protocol)


def tabulate(scores: pl.DataFrame, outcome: str, rules: Rules) -> pl.DataFrame:
    """Return the scores of an outcome as they may be shown.

    Where few patients have the event, or few do not, the row is hidden, and so is another group
    that a reader could compute it from. Ratios of observed to expected are computed from the counts
    as shown.

    Args:
        scores: `behrt.evaluation.outcomes.OutcomeScores`.
        outcome: its name.
        rules: which count of patients is too small to show, and how to round.

    Returns:
        outcome, model, risks, subgroup, group, metric String; value, low, high, difference,
        difference_low, difference_high Float64; patients, positives Int64.
    """
    events, predictions = pl.col("events"), pl.col("predictions")
    as_shown = rules.share(events, predictions) / (events / predictions)
    factor = pl.when((pl.col("metric") == OBSERVED) & (events > 0)).then(as_shown).otherwise(1.0)
    keys = ["subgroup", "group"]
    groups = scores.select(*keys, "patients", "positives").unique(maintain_order=True)
    hidden = set()
    for _, parts in groups.group_by("subgroup", maintain_order=True):
        patients, positives = parts["patients"].to_numpy(), parts["positives"].to_numpy()
        if parts["subgroup"][0] == ALL:
            hide = np.array(
                [
                    hide_parts(
                        np.array([positives[0], patients[0] - positives[0]]), rules.threshold
                    ).any()
                ]
            )
        else:
            hide = np.any(
                [
                    hide_parts(counts, rules.threshold)
                    for counts in (patients, positives, patients - positives)
                ],
                axis=0,
            )
        hidden |= {
            key for key, is_hidden in zip(parts.select(keys).rows(), hide, strict=True) if is_hidden
        }
    rows = np.array([key in hidden for key in scores.select(keys).iter_rows()])
    shown = scores.with_columns(
        outcome=pl.lit(outcome), **{name: pl.col(name) * factor for name in _SCORES[:3]}
    ).with_columns(pl.col(_SCORES).round(DECIMALS))
    columns = ["outcome", "model", "risks", *keys, "metric", *_SCORES, "patients", "positives"]
    return suppress(shown.select(columns), rows, [*_SCORES, "patients", "positives"])
