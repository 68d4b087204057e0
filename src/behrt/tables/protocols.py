"""The effect of each protocol relaxation: one model under the strict protocol and under others."""

import json
from pathlib import Path

import polars as pl

from behrt.evaluation.models import LABEL_SETS, compare, hide_small_counts, read_metrics
from behrt.evaluation.tidy import DECIMALS
from behrt.logs import logger
from behrt.run import Run
from behrt.tasks import Task

STRICT = "strict"
PRETRAINING = "MLM"

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")


def read_precision(metrics: Path) -> float | None:
    """Return the precision of masked words in the chosen epoch of a pretraining.

    Args:
        metrics: metrics.jsonl of a pretraining, one JSON object per epoch.
    """
    epochs = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    best = min(epochs, key=lambda epoch: epoch["tuning_loss"])
    precision: float | None = best["tuning_precision"]
    return precision


def table(
    run: Run,
    metrics: list[Path],
    pretraining: list[Path],
    model: str,
    tasks: list[Task],
    protocols: list[str],
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        metrics: files of `PatientMetrics`: for each task, each protocol.
        pretraining: metrics.jsonl of each protocol, in their order.
        model: the model that is trained under every protocol.
        tasks, protocols: the order of the rows; the others are compared with "strict".

    Returns:
        model, label_set, task, protocol, metric String; value, low, high Float64; patients,
        undefined Int64; difference (the protocol minus strict), difference_low, difference_high
        Float64. The rows of pretraining have the task "MLM" and the metric "precision", without an
        interval: micro-averaged, at a threshold of 0.5, over the masked diseases of the patients on
        whom the epoch is chosen (paper, Methods).
    """
    parts = []
    for label_set in LABEL_SETS:
        for i, task in enumerate(tasks):
            files = metrics[i * len(protocols) : (i + 1) * len(protocols)]
            scores = read_metrics(files, label_set, protocols)
            rows = compare(scores, protocols, STRICT, run.bootstrap, task.name)
            parts.append(
                hide_small_counts(rows, run.disclosure.threshold)
                .drop("^achieved.*$")
                .rename({"model": "protocol"})
                .with_columns(pl.col(_SCORES).round(DECIMALS), label_set=pl.lit(label_set))
            )
    precision = pl.Series([read_precision(path) for path in pretraining], dtype=pl.Float64)
    strict = precision[list(protocols).index(STRICT)]
    pretrained = pl.DataFrame({"protocol": protocols, "value": precision}).with_columns(
        label_set=pl.lit("hidden_words"),
        task=pl.lit(PRETRAINING),
        metric=pl.lit("precision"),
        difference=pl.when(pl.col("protocol") != STRICT).then(pl.col("value") - strict),
    )
    first = ["model", "label_set", "task", "protocol", "metric"]
    rows = pl.concat([*parts, pretrained], how="diagonal").with_columns(
        pl.col("value", "difference").round(DECIMALS), model=pl.lit(model)
    )
    rows = rows.select(*first, pl.exclude(first))
    aps = rows.filter(metric="APS", label_set="all").drop_nulls("difference")
    lines = aps.select(pl.format("{} {} {}", "task", "protocol", "difference")).to_series()
    logger.info("protocols, difference in APS from strict: %s", "; ".join(lines))
    return rows
