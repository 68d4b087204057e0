"""Table S1: who the patients are, for every task and split."""

from pathlib import Path

import polars as pl

from behrt.evaluation.population import read_tallies, tabulate
from behrt.logs import logger
from behrt.run import Run
from behrt.tables.cohort_flow import read_flow
from behrt.tasks import Task


def table(
    run: Run, sequences: list[Path], examples: list[Path], flow: Path, tasks: list[Task]
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        sequences: the shards.
        examples: of `tasks`, in their order.
        flow: the steps of the cohort, which table *cohort_flow* shows.
        tasks: the order of the rows.

    Returns:
        The columns of `behrt.evaluation.population.tabulate`; data, protocol String.
    """
    patients_left = read_flow(flow)["patients"].to_list()
    rows = tabulate(read_tallies(sequences, examples), tasks, run.disclosure, patients_left)
    hidden = rows["value"].null_count()
    logger.info("population: %d numbers, %d of them not shown", len(rows), hidden)
    return rows.with_columns(data=pl.lit(run.data), protocol=pl.lit(run.protocol))
