"""What each leniency of the paper's protocol is worth: one model under one protocol a row."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt.evaluation.model_tables import LABEL_SETS, tabulate
from behrt.evaluation.tidy import DECIMALS

STRICT = "strict"
PRETRAINING = "MLM"


def read_precision(metrics: Path) -> float | None:
    """Return the precision of masked words in the epoch that pretraining chose.

    Args:
        metrics: metrics.jsonl of a pretraining, one JSON object an epoch.
    """
    epochs = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    best = min(epochs, key=lambda epoch: epoch["tuning_loss"])
    precision: float | None = best["tuning_precision"]
    return precision


def tabulate_protocols(
    paths: Sequence[Path],
    pretraining: Sequence[Path],
    model: str,
    tasks: Sequence[str],
    protocols: Sequence[str],
    resamples: int,
    seed: int,
    data: str,
    threshold: int,
) -> pl.DataFrame:
    """Return one row a label set, task, protocol and metric, and one a pretraining.

    Args:
        paths: <task>/<protocol>.parquet (`PatientMetrics`) of every task and protocol.
        pretraining: metrics.jsonl of each protocol, in their order.
        model: the one that was trained under every protocol; printed in every row.
        tasks, protocols: the order of the rows; "strict" is what the others are compared with.
        resamples, seed, threshold: as `behrt.evaluation.model_tables.tabulate`.
        data: printed in every row.

    Returns:
        data, model, label_set, task, protocol, metric String; value, low, high Float64; patients,
        undefined Int64; difference (the protocol minus strict), difference_low, difference_high
        Float64. Pretraining's rows have task "MLM" and the metric "precision" (micro-averaged, at
        a threshold of 0.5, over the hidden words of the patients on whom the epoch was chosen;
        paper, Methods), without an interval.
    """
    parts = [
        tabulate(paths, label_set, tasks, protocols, STRICT, resamples, seed, "", data, threshold)
        .drop("protocol", "^achieved.*$")
        .rename({"model": "protocol"})
        .with_columns(label_set=pl.lit(label_set))
        for label_set in LABEL_SETS
    ]
    precision = pl.Series([read_precision(path) for path in pretraining], dtype=pl.Float64)
    strict = precision[list(protocols).index(STRICT)]
    learned = pl.DataFrame({"protocol": protocols, "value": precision}).with_columns(
        data=pl.lit(data),
        label_set=pl.lit("hidden_words"),
        task=pl.lit(PRETRAINING),
        metric=pl.lit("precision"),
        difference=pl.when(pl.col("protocol") != STRICT).then(pl.col("value") - strict),
    )
    rows = pl.concat([*parts, learned], how="diagonal")
    first = ["data", "model", "label_set", "task", "protocol", "metric"]
    return rows.with_columns(
        pl.col("value", "difference").round(DECIMALS), model=pl.lit(model)
    ).select(*first, pl.exclude(first))
