"""Every model's scores in all averages, with intervals and paired differences."""

from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtri

from behrt.disclosure import hide_steps, is_small, suppress
from behrt.evaluation.assessment import read_assessments
from behrt.evaluation.bootstrap import LEVEL, interval
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.run import Run

PERCENTILE, NORMAL = "percentile", "normal"

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")


def table(run: Run, averages: list[Path], reference: str) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        averages: assessment/<task>/averages.parquet of every task.
        reference: the model that the others are compared with.
    """
    rows = tabulate(read_assessments(averages), reference, run.disclosure.threshold)
    return with_facts(rows, protocol=run.protocol)


def tabulate(averages: pl.DataFrame, reference: str, threshold: int) -> pl.DataFrame:
    """Return every average with its interval, and its paired difference from the reference.

    Intervals are percentiles of the resamples, except for macro and weighted averages, which have
    the estimate ± 1.96 standard deviations of the resamples (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993, section 13.3). A patient who is drawn twice has the same scores twice,
    which raises the APS of rare diseases in all resamples, so percentiles need not include the
    estimate.

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
    reach = ndtri((1 + LEVEL) / 2) * drawn.std(axis=0, ddof=1)
    return np.where(normal, value - reach, low), np.where(normal, value + reach, high)


def _hide_averages(table: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Return the table without counts of few patients, nor scores of so few."""
    patients, undefined = table["patients"].to_numpy(), table["undefined"].to_numpy()
    # The number of patients of a task is published elsewhere; those with a metric are a subset.
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
