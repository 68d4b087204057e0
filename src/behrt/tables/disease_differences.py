"""Paired differences between models for each disease of one task, with multiplicity."""

from pathlib import Path

import polars as pl

from behrt.evaluation.disease_differences import tabulate
from behrt.evaluation.patients import multi_hot, read_held_out
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.run import Run
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def table(
    run: Run,
    task_examples: Path,
    scores: list[Path],
    vocabulary: Path,
    task: Task,
    references: list[str],
    minimum_prevalence: float,
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        task_examples: of the task.
        scores: predictions of each model, <model>.parquet.
        vocabulary: names and chapters of the diseases.
        task: the task.
        references: the models that are compared with all others.
        minimum_prevalence: share of the patients with the disease in their label.

    Returns:
        protocol, task String, and the columns of `behrt.evaluation.disease_differences.tabulate`.
    """
    words = read_vocabulary(vocabulary)
    n_diseases = len(words.phenotypes)
    patients, _ = read_held_out(task_examples, scores[0], n_diseases)
    rows = tabulate(
        multi_hot(patients["label"], n_diseases),
        {path.stem: read_held_out(task_examples, path, n_diseases)[1] for path in scores},
        references,
        words,
        minimum_prevalence,
        run.bootstrap,
        task.name,
        run.disclosure,
    )
    logger.info(
        "disease differences: %d of %d tests below a false discovery rate of 0.05",
        rows.filter(pl.col("p_benjamini_hochberg") < 0.05).height,
        rows["p"].count(),
    )
    return with_facts(rows, protocol=run.protocol, task=task.name)
