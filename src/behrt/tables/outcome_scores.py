"""Every model's scores on each outcome, for all patients and in subgroups."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, suppress
from behrt.evaluation.outcome_decision import ALL, SUBGROUP_THRESHOLDS
from behrt.evaluation.outcomes import OBSERVED
from behrt.evaluation.tidy import DECIMALS
from behrt.run import Run
from behrt.tables import outcome_decision
from behrt.tables.every_outcome import of_every_outcome

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")


def table(
    run: Run, scores: list[Path], net_benefit: list[Path], outcomes: Mapping[str, str]
) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`; after the scores, the net benefits.

    Args:
        run: the run.
        scores: outcomes/<outcome>/assessment/<labels>/scores.parquet of every outcome.
        net_benefit: net_benefit.parquet, beside them.
        outcomes: what each outcome is, by name, in the order of the rows.
    """
    benefits = {path.parents[2].name: path for path in net_benefit}

    def both(frame: pl.DataFrame, outcome: str, rules: Rules) -> pl.DataFrame:
        shown = tabulate(frame, outcome, rules)
        benefit = pl.read_parquet(benefits[outcome])
        return pl.concat([shown, tabulate_net_benefits(benefit, shown, outcome, rules)])

    return of_every_outcome(run, scores, outcomes, both)


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


def tabulate_net_benefits(
    net_benefit: pl.DataFrame, scores: pl.DataFrame, outcome: str, rules: Rules
) -> pl.DataFrame:
    """Return net benefits of an outcome in subgroups as they may be shown.

    Each group is treated as a decision curve. Net benefits of groups add up to that of all
    patients, so those of a subgroup are null unless all groups and all patients may be shown.

    Args:
        net_benefit: `behrt.evaluation.outcome_decision.OutcomeNetBenefit`.
        scores: what `tabulate` returns.
        outcome: its name.
        rules: which count of patients is too small to show, and how to round.

    Returns:
        the columns of `scores`; *risks* may be "treat all", and differences are null.
    """
    keys = ["subgroup", "group"]
    parts = [
        outcome_decision.tabulate(part, outcome, rules).with_columns(
            subgroup=pl.lit(subgroup), group=pl.lit(group)
        )
        for (subgroup, group), part in net_benefit.group_by(keys, maintain_order=True)
    ]
    support = scores.select(*keys, "patients", "positives").unique(maintain_order=True)
    found = (
        pl.concat(parts)
        .filter(pl.col("threshold").is_in(SUBGROUP_THRESHOLDS))
        .join(support, on=keys, how="left", maintain_order="left")
    )
    missing = pl.any_horizontal(pl.col("value", "patients").is_null())
    decision = ["model", "strategy", "threshold"]
    hidden = found.select(
        missing.any().over(*decision, "subgroup")
        | (missing & (pl.col("subgroup") == ALL)).any().over(decision)
    )
    found = found.with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in _SCORES if name.startswith("difference")
    ).with_columns(risks="strategy", metric=pl.format("net benefit at {}", pl.col("threshold")))
    return suppress(found, hidden.to_series().to_numpy(), _SCORES[:3]).select(scores.columns)
