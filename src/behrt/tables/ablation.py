"""Table S8: the scores of every combination of age, segment and position embeddings."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import polars as pl

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS, switches_of
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.models import LABEL_SETS, compare, hide_small_counts, read_metrics
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.logs import logger
from behrt.run import Run

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")


def table(run: Run, metrics: list[Path], tasks: list[str], models: list[str]) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        metrics: as `tabulate` takes them.
        tasks, models: the order of the rows.
    """
    rows = tabulate(metrics, tasks, models, run.bootstrap, run.disclosure.threshold)
    aps = rows.filter(metric="APS", label_set="all").drop_nulls("value")
    for row in aps.select("task", "model", "embeddings", "value").iter_rows():
        logger.info("ablation: %s, %s with %s: APS %.3f", *row)
    return with_facts(rows, protocol=run.protocol)


def tabulate(
    paths: Sequence[Path],
    tasks: Sequence[str],
    models: Sequence[str],
    bootstrap: Bootstrap,
    threshold: int,
) -> pl.DataFrame:
    """Return the scores of every combination, and its paired difference from all embeddings.

    The draws of patients are those of tables 1 and 2.

    Args:
        paths: files of `PatientMetrics`: for each task, each model and in it each combination, in
            the order of `behrt.ablation.COMBINATIONS`.
        tasks, models: the order of the rows.
        bootstrap: resamples and seed.
        threshold: the smallest count of patients to show.

    Returns:
        task, model, label_set ("all" or "first_incidence"), embeddings String; age, segment,
        position Boolean; then metric, value, low, high, patients, undefined, difference,
        difference_low, difference_high as in table 1; the difference is null for all embeddings.

    Raises:
        InputError: combinations were not scored on the same patients.
    """
    waiting = iter(paths)
    parts = []
    for task, model in product(tasks, models):
        files = [next(waiting) for _ in COMBINATIONS]
        for label_set in LABEL_SETS:
            metrics = read_metrics(files, label_set, COMBINATIONS)
            rows = compare(metrics, COMBINATIONS, ALL_EMBEDDINGS, bootstrap, task)
            rows = hide_small_counts(rows, threshold).rename({"model": "embeddings"})
            parts.append(
                rows.select(
                    "task",
                    pl.lit(model).alias("model"),
                    pl.lit(label_set).alias("label_set"),
                    "embeddings",
                    *(
                        pl.Series(name, [switches_of(each)[name] for each in rows["embeddings"]])
                        for name in switches_of(ALL_EMBEDDINGS)
                    ),
                    pl.exclude("task", "embeddings"),
                )
            )
    return pl.concat(parts).with_columns(pl.col(_SCORES).round(DECIMALS))
