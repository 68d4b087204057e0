"""Tables 1 and 2: every model on every task, with intervals, support and paired differences."""

from pathlib import Path

import polars as pl

from behrt.disclosure import disclose
from behrt.evaluation.models import render, tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.run import Run
from behrt.tasks import Task


def table(
    run: Run,
    metrics: list[Path],
    label_set: str,
    tasks: list[Task],
    models: list[str],
    reference: str,
) -> pl.DataFrame:
    """Return table 1 (label set "all") or table 2 ("first_incidence").

    Args:
        run: the run.
        metrics: evaluation/<task>/<model>.parquet of every task and model.
        label_set: a key of `behrt.evaluation.models.LABEL_SETS`.
        tasks, models: the order of the rows.
        reference: the model that the others are compared with.

    Returns:
        protocol String, and the columns of `behrt.evaluation.models.tabulate`.
    """
    names = [task.name for task in tasks]
    rows = tabulate(
        metrics,
        label_set,
        names,
        models,
        reference,
        run.bootstrap,
        run.disclosure.threshold,
    )
    logger.info("%s protocol:\n%s", run.protocol, render(disclose(rows, run.disclosure)))
    return with_facts(rows, protocol=run.protocol)
