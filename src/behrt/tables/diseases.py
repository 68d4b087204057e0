"""Table S6: the scores of one model for each disease of one task."""

from pathlib import Path

import polars as pl

from behrt.evaluation.diseases import tabulate
from behrt.evaluation.patients import multi_hot, read_held_out
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.run import Run
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def table(
    run: Run,
    task_examples: Path,
    scores: Path,
    others: list[Path],
    vocabulary: Path,
    task: Task,
    reference: str,
    minimum_prevalence: float,
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        task_examples: of the task.
        scores: predictions of the reference model.
        others: predictions of the rows that it is judged by, <name>.parquet each.
        vocabulary: names and chapters of the diseases.
        task: the task.
        reference: name of the model.
        minimum_prevalence: share of the patients with the disease in their label.

    Returns:
        protocol, task, model String, and the columns of `behrt.evaluation.diseases.tabulate`.
    """
    words = read_vocabulary(vocabulary)
    n_diseases = len(words.phenotypes)
    patients, predicted = read_held_out(task_examples, scores, n_diseases)
    rows = tabulate(
        multi_hot(patients["label"], n_diseases),
        predicted,
        words,
        minimum_prevalence,
        run.bootstrap,
        task.name,
        run.disclosure,
        {path.stem: read_held_out(task_examples, path, n_diseases)[1] for path in others},
    )
    logger.info(
        "diseases: %d at or above a prevalence of %g; no APS for %d, no AUROC for %d",
        len(rows),
        minimum_prevalence,
        rows["aps"].null_count(),
        rows["auroc"].null_count(),
    )
    return with_facts(rows, protocol=run.protocol, task=task.name, model=reference)
