"""The assessments of all models on all tasks as tables, small counts suppressed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import norm

from behrt.disclosure import hide_parts, hide_steps, is_small, suppress
from behrt.evaluation.bootstrap import LEVEL, interval
from behrt.evaluation.tidy import DECIMALS
from behrt.sequences.vocabulary import Vocabulary

ALL_DISEASES = "all diseases"
PERCENTILE, NORMAL = "percentile", "normal"
_SMALL_NUMBERS = 6
"""Decimals of risks and net benefits, which are small."""

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")


def read_assessments(paths: Sequence[Path]) -> pl.DataFrame:
    """Return one kind of frame of every task, with the task: <task>/<frame>.parquet each."""
    return pl.concat(
        pl.read_parquet(path).select(pl.lit(path.parent.name).alias("task"), pl.all())
        for path in paths
    )


def tabulate_averages(averages: pl.DataFrame, reference: str, threshold: int) -> pl.DataFrame:
    """Return every average with its interval, and its paired difference from the reference.

    Intervals are percentiles of the resamples, but for macro and weighted averages, which are the
    estimate and 1.96 standard deviations of the resamples either way (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, section 13.3). In a resample a patient who is drawn twice
    confirms herself, which lifts the APS of rare diseases in all resamples alike, so that
    percentiles would not even hold the estimate.

    Args:
        averages: task, model, and the columns of `behrt.evaluation.averages.Averages`.
        reference: the model that the others are compared with.
        threshold: the smallest count of patients to show.

    Returns:
        task, model, labels, average, metric String; value, low, high Float64; interval String;
        difference, difference_low, difference_high Float64, null for the reference; patients,
        undefined, diseases, diseases_undefined Int64.
    """
    keys = ["task", "labels", "average", "metric"]
    base = averages.filter(pl.col("model") == reference).select(
        *keys, base="value", base_resampled="resampled"
    )
    joined = averages.join(base, on=keys, how="left", maintain_order="left")
    drawn, base_drawn = (
        np.array(joined[name].to_list(), dtype=np.float64).T
        for name in ("resampled", "base_resampled")
    )
    value, base_value = (
        joined[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("value", "base")
    )
    normal = joined["average"].is_in(["macro", "weighted"]).to_numpy()
    itself = (joined["model"] == reference).to_numpy()
    low, high = _interval(value, drawn, normal)
    difference = np.where(itself, np.nan, value - base_value)
    difference_low, difference_high = _interval(difference, drawn - base_drawn, normal)
    columns = {
        "low": low,
        "high": high,
        "difference": difference,
        "difference_low": np.where(itself, np.nan, difference_low),
        "difference_high": np.where(itself, np.nan, difference_high),
    }
    table = joined.with_columns(
        *(pl.Series(name, values) for name, values in columns.items()),
        interval=pl.Series(np.where(normal, NORMAL, PERCENTILE)),
    ).with_columns(pl.col(_SCORES).fill_nan(None).round(DECIMALS))
    table = table.select(
        *("task", "model", "labels", "average", "metric", "value", "low", "high", "interval"),
        *("difference", "difference_low", "difference_high"),
        *("patients", "undefined", "diseases", "diseases_undefined"),
    )
    return _hide_averages(table, threshold)


def _interval(
    value: np.ndarray, drawn: np.ndarray, normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of each column: of values (k), drawn (resamples, k)."""
    low, high = interval(drawn)
    reach = norm.ppf((1 + LEVEL) / 2) * drawn.std(axis=0, ddof=1)
    return np.where(normal, value - reach, low), np.where(normal, value + reach, high)


def _hide_averages(table: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Return the table without counts of few patients, nor scores of so few."""
    patients, undefined = table["patients"].to_numpy(), table["undefined"].to_numpy()
    # How many patients a task has is printed elsewhere; those with a metric are some of them.
    hidden = np.array(
        [
            hide_steps(np.array([n + without, n]), threshold)[1]
            for n, without in zip(patients, undefined, strict=True)
        ],
        dtype=bool,
    )
    keys = ["task", "model", "labels"]
    scarce = table.filter(is_small(patients, threshold)).select(keys).unique()
    few = table.select(keys).with_row_index().join(scarce, on=keys)["index"]
    rows = np.isin(np.arange(len(table)), few.to_numpy())
    return suppress(suppress(table, rows, _SCORES), hidden, ["patients", "undefined"])


def tabulate_calibration(calibration: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Return the measures of calibration before and after recalibration.

    Args:
        calibration: task, model, and `behrt.evaluation.assessment.CalibrationOfBoth`.
        threshold: the smallest count of patients, or of labels, to show.

    Returns:
        task, model, risks, measure String; value, low, high Float64; patients, positives Int64.
    """
    scores = ["value", "low", "high"]
    columns = ["task", "model", "risks", "measure", *scores, "patients", "positives"]
    table = calibration.select(columns).with_columns(pl.col(scores).round(_SMALL_NUMBERS))
    few = is_small(table["patients"].to_numpy(), threshold)
    few |= is_small(table["positives"].to_numpy(), threshold)
    return suppress(table, few, [*scores, "patients", "positives"])


def tabulate_reliability(reliability: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Return the points of the reliability plots.

    Args:
        reliability: task, model, and `behrt.evaluation.assessment.ReliabilityOfBoth`.
        threshold: the smallest count of patients to show.

    Returns:
        task, model, risks, kind String; predicted, observed, low, high Float64; share Float64 of
        all pairs; patients, positives (patients with a label in the group) Int64, null for the
        curve.
    """
    scores = ["predicted", "observed", "low", "high"]
    counts = ["share", "patients", "positives"]
    columns = ["task", "model", "risks", "kind", *scores, "pairs", *counts]
    parts = []
    named = reliability.rename({"patients_positive": "positives"}).with_columns(
        share=pl.col("pairs") / pl.col("pairs").sum().over("task", "model", "risks")
    )
    for part in named.select(columns).partition_by("task", "model", "risks"):
        groups = part.filter(pl.col("kind") == "group")
        labels = (groups["observed"] * groups["pairs"]).round().cast(pl.Int64)
        few = hide_parts(labels.to_numpy(), threshold)
        for name in ("patients", "positives"):
            few |= is_small(groups[name].to_numpy(), threshold)
        curve = part.filter(pl.col("kind") == "curve")
        too_few = bool(is_small(np.array(labels.sum()), threshold))
        parts += [
            suppress(groups, few, [*scores, *counts]),
            suppress(curve, np.full(len(curve), too_few), scores),
        ]
    rounded = pl.col(*scores, "share").round(_SMALL_NUMBERS)
    return pl.concat(parts).drop("pairs").with_columns(rounded)


def tabulate_net_benefit(
    net_benefit: pl.DataFrame, vocabulary: Vocabulary, threshold: int
) -> pl.DataFrame:
    """Return the decision curves; treating everybody is the same whatever the model.

    Args:
        net_benefit: task, model, and `behrt.evaluation.decision.NetBenefit`.
        vocabulary: names the diseases.
        threshold: the smallest count of patients to show.

    Returns:
        task, model, disease, strategy String; threshold, value, low, high Float64; patients,
        positives Int64. A value that fewer than `threshold` treated patients decide is null.
    """
    scores = ["value", "low", "high"]
    names = pl.Series(vocabulary.phenotypes)
    table = net_benefit.with_columns(
        pl.col(scores).round(_SMALL_NUMBERS),
        disease=names.gather(net_benefit["disease"]).fill_null(ALL_DISEASES),
    )
    few = is_small(table["treated"].to_numpy(), threshold)
    hidden = [
        hide_parts(np.array([n, patients - n]), threshold).any()
        for n, patients in table.select("positives", "patients").iter_rows()
    ]
    table = suppress(table, few | np.array(hidden), scores)
    table = suppress(table, np.array(hidden), ["positives"])
    columns = ["task", "model", "disease", "strategy", "threshold", *scores]
    return table.select(*columns, "patients", "positives")
