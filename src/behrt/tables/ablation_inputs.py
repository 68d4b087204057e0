"""What medications, procedures, tests and measurements add to diagnoses: a model with each."""

from itertools import product
from pathlib import Path

import polars as pl

from behrt.ablation import combinations_of_inputs
from behrt.concepts import DIAGNOSES
from behrt.evaluation.models import LABEL_SETS, compare, hide_small_counts, read_metrics
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.logs import logger
from behrt.run import Run

_SCORES = ("value", "low", "high", "difference", "difference_low", "difference_high")
_LEFT_OUT = "^achieved.*$"


def table(
    run: Run,
    metrics: list[Path],
    yardsticks: list[Path],
    inputs: list[str],
    tasks: list[str],
    models: list[str],
    names: list[str],
) -> pl.DataFrame:
    """Return the scores with each combination of inputs, and the difference from diagnoses only.

    The draws of patients are those of tables 1 and 2.

    Args:
        run: the run.
        metrics: files of `PatientMetrics`: for each task, each model and in it each combination, in
            the order of `behrt.ablation.combinations_of_inputs`.
        yardsticks: the same of `names`, for each task.
        inputs: of the run.
        tasks, models: the order of the rows.
        names: rows for comparison: prevalence and, where it is known, the truth.

    Returns:
        protocol, task, model, label_set ("all" or "first_incidence"), inputs String (what is read,
        "all" of the run's, or the name of a yardstick); then metric, value, low, high, patients,
        undefined, difference, difference_low, difference_high as in table 1; the difference is null
        for diagnoses only.

    Raises:
        InputError: combinations were not scored on the same patients.
    """
    combinations = [", ".join(read) for read in combinations_of_inputs(inputs).values()]
    combinations[-1] = "all"
    of_task = len(names)
    waiting = iter(metrics)
    parts = []
    for place, model in product(range(len(tasks)), models):
        files = [next(waiting) for _ in combinations]
        files += yardsticks[place * of_task : (place + 1) * of_task]
        order = [*combinations, *names]
        for label_set in LABEL_SETS:
            scores = read_metrics(files, label_set, order)
            rows = compare(scores, order, DIAGNOSES, run.bootstrap, tasks[place])
            rows = hide_small_counts(rows, run.disclosure.threshold).rename({"model": "inputs"})
            parts.append(
                rows.select(
                    "task",
                    pl.lit(model).alias("model"),
                    pl.lit(label_set).alias("label_set"),
                    pl.exclude("task", _LEFT_OUT),
                )
            )
    made = pl.concat(parts).with_columns(pl.col(_SCORES).round(DECIMALS))
    aps = made.filter(metric="APS", label_set="all").drop_nulls("value")
    for row in aps.select("task", "model", "inputs", "value").iter_rows():
        logger.info("ablation of inputs: %s, %s with %s: APS %.3f", *row)
    return with_facts(made, protocol=run.protocol)
