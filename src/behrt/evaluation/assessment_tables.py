"""The assessments of all models on all tasks as tables, small counts suppressed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import norm

from behrt.disclosure import Rules, hide_parts, hide_steps, is_small, suppress
from behrt.evaluation.bootstrap import LEVEL, interval
from behrt.evaluation.calibration import OBSERVED
from behrt.evaluation.decision import EVERYBODY
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


def tabulate_calibration(calibration: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the measures of calibration before and after recalibration.

    What is observed, alone and over what is expected, is of the numbers as they are shown.

    Args:
        calibration: task, model, and `behrt.evaluation.assessment.CalibrationOfBoth`.
        rules: which count of patients, or of labels, is too small to show, and how to round.

    Returns:
        task, model, risks, measure String; value, low, high Float64; patients, positives Int64.
    """
    scores = ["value", "low", "high"]
    columns = ["task", "model", "risks", "measure", *scores, "patients", "positives"]
    positives, patients = pl.col("positives"), pl.col("patients")
    as_shown = rules.share(positives, patients) / (positives / patients)
    observed = pl.col("measure").is_in(OBSERVED) & (positives > 0)
    table = calibration.select(columns).with_columns(
        (pl.col(scores) * pl.when(observed).then(as_shown).otherwise(1.0)).round(_SMALL_NUMBERS)
    )
    few = is_small(table["patients"].to_numpy(), rules.threshold)
    few |= is_small(table["positives"].to_numpy(), rules.threshold)
    return suppress(table, few, [*scores, "patients", "positives"])


def tabulate_reliability(reliability: pl.DataFrame, rules: Rules) -> pl.DataFrame:
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
        too_few = bool(is_small(np.array(labels.sum()), rules.threshold))
        # How many patients there are, and how many with a label, is printed elsewhere.
        near = is_small((groups["patients"] - groups["positives"]).to_numpy(), rules.threshold)
        for name in others:
            near |= is_small(groups[name].to_numpy(), rules.threshold)
        groups = suppress(groups, near, ["patients", "positives"])
        parts += [
            suppress(groups, few, [*scores, *counts]),
            suppress(curve, np.full(len(curve), too_few), scores),
        ]
    rounded = pl.col(*scores, "share").round(_SMALL_NUMBERS)
    return pl.concat(parts).drop("pairs", *others).with_columns(rounded)


def _rows_of_each(table: pl.DataFrame, keys: Sequence[str]) -> list[np.ndarray]:
    """Return the places of the rows of each group, in their order."""
    groups = table.select(keys).with_row_index().group_by(keys, maintain_order=True)
    return [rows.to_numpy() for rows in groups.agg("index")["index"]]


def tabulate_net_benefit(
    net_benefit: pl.DataFrame, vocabulary: Vocabulary, rules: Rules
) -> pl.DataFrame:
    """Return the decision curves; treating everybody is the same whatever the model.

    A net benefit to six decimals tells how many are treated rightly, and how many in vain. So it
    is null where few are, or few of those that could be are not, or few more than at the next
    threshold that is shown; and it is computed from these two as they would be shown.

    Args:
        net_benefit: task, model, and `behrt.evaluation.decision.NetBenefit`.
        vocabulary: names the diseases.
        rules: which count of patients is too small to show, and how to round.

    Returns:
        task, model, disease, strategy String; threshold, value, low, high Float64; patients,
        positives Int64.
    """
    scores = ["value", "low", "high"]
    names = pl.Series(vocabulary.phenotypes)
    worth, patients = net_benefit["value"], pl.col("patients")
    odds = pl.col("threshold") / (1 - pl.col("threshold"))
    as_shown = rules.share(pl.col("rightly"), patients) - odds * rules.share(
        pl.col("in_vain"), patients
    )
    table = net_benefit.with_columns(
        (pl.col(scores) + as_shown - worth).round(_SMALL_NUMBERS),
        disease=names.gather(net_benefit["disease"]).fill_null(ALL_DISEASES),
    )
    few = is_small(table["treated"].to_numpy(), rules.threshold)
    curve = ["task", "model", "disease"]
    everybody = table.filter(strategy=EVERYBODY)
    totals = everybody.group_by(curve).agg(pl.col("rightly", "in_vain").first())
    of_curve = table.select(curve).join(totals, on=curve, how="left", maintain_order="left")
    numbers = [
        (table[name].to_numpy(), of_curve[name].to_numpy()) for name in ("rightly", "in_vain")
    ]
    for rows in _rows_of_each(table, [*curve, "strategy"]):
        for number, total in numbers:
            falling = np.concatenate([total[rows[:1]], number[rows]])
            few[rows] |= hide_steps(falling, rules.threshold)[1:]
    hidden = [
        hide_parts(np.array([n, all_of_them - n]), rules.threshold).any()
        for n, all_of_them in table.select("positives", "patients").iter_rows()
    ]
    table = suppress(table, few | np.array(hidden), scores)
    table = suppress(table, np.array(hidden), ["positives"])
    columns = ["task", "model", "disease", "strategy", "threshold", *scores]
    return table.select(*columns, "patients", "positives")
