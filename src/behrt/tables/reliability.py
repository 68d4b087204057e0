"""The points of the reliability plots."""

from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, is_small, suppress
from behrt.evaluation.assessment import read_assessments
from behrt.evaluation.tidy import SMALL_DECIMALS, with_facts
from behrt.run import Run


def table(run: Run, reliability: list[Path]) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        reliability: assessment/<task>/reliability.parquet of every task.
    """
    rows = tabulate(read_assessments(reliability), run.disclosure)
    return with_facts(rows, protocol=run.protocol)


def tabulate(reliability: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the points of the reliability plots.

    Args:
        reliability: task, model, and `behrt.evaluation.assessment.ReliabilityOfBoth`.
        rules: which count of patients is too small to show, and how pairs and labels are rounded
            before a share is computed from them.

    Returns:
        task, model, risks, kind String; predicted, observed, low, high Float64; share Float64 of
        all pairs; patients, positives (patients with a label in the group) Int64, null for the
        curve.
    """
    scores = ["predicted", "observed", "low", "high"]
    counts = ["share", "patients", "positives"]
    others = ["outside", "positive_elsewhere"]
    columns = ["task", "model", "risks", "kind", *scores, "pairs", *counts, *others]
    parts = []
    named = reliability.rename({"patients_positive": "positives"}).with_columns(
        share=rules.share(pl.col("pairs"), pl.col("pairs").sum().over("task", "model", "risks"))
    )
    for part in named.select(columns).partition_by("task", "model", "risks"):
        groups = part.filter(pl.col("kind") == "group")
        labels = (groups["observed"] * groups["pairs"]).round().cast(pl.Int64)
        few = hide_parts(labels.to_numpy(), rules.threshold)
        for name in ("patients", "positives"):
            few |= is_small(groups[name].to_numpy(), rules.threshold)
        as_shown = rules.share(labels, groups["pairs"]) / (labels / groups["pairs"])
        groups = groups.with_columns(
            (pl.col("observed", "low", "high") * as_shown.fill_nan(1.0)).clip(0, 1)
        )
        curve = part.filter(pl.col("kind") == "curve")
        # A curve has no counts of its own: it is of all labels, and of all patients.
        of_all = np.array([labels.sum(), groups["patients"].max()])
        too_few = bool(is_small(of_all, rules.threshold).any())
        # The numbers of patients, and of patients with a label, are published elsewhere.
        near = is_small((groups["patients"] - groups["positives"]).to_numpy(), rules.threshold)
        for name in others:
            near |= is_small(groups[name].to_numpy(), rules.threshold)
        groups = suppress(groups, near, ["patients", "positives"])
        parts += [
            suppress(groups, few, [*scores, *counts]),
            suppress(curve, np.full(len(curve), too_few), scores),
        ]
    rounded = pl.col(*scores, "share").round(SMALL_DECIMALS)
    return pl.concat(parts).drop("pairs", *others).with_columns(rounded)
