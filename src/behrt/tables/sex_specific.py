"""Table S7: sex-specific diseases, as every model predicts them to that sex and to the other."""

from pathlib import Path

import polars as pl

from behrt.caliber.sex_specific import read_sex_specific
from behrt.evaluation.sex_specific import tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.run import Run
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def table(
    run: Run,
    sequences: list[Path],
    task_examples: Path,
    scores: list[Path],
    vocabulary: Path,
    task: Task,
    score: float,
    ranks: int,
    diseases: Path | None = None,
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        sequences: the shards.
        task_examples: of the task.
        scores: predictions of each model, <model>.parquet.
        vocabulary: names of the diseases.
        task: the task.
        score: a disease is predicted to a patient if it has at least this score.
        ranks: a disease is ranked if it is among so many first diseases of the patient.
        diseases: the user's own list of sex-specific diseases.

    Returns:
        protocol, task String, and the columns of `behrt.evaluation.sex_specific.tabulate`.
    """
    words = read_vocabulary(vocabulary)
    chosen = read_sex_specific(words.phenotypes, diseases)
    rows = tabulate(
        task_examples,
        scores,
        sequences,
        len(words.phenotypes),
        chosen,
        task.name,
        score,
        ranks,
        run.bootstrap,
        run.disclosure,
    )
    logger.info(
        "sex-specific diseases: %d, of which %d are also recorded for the other sex; %d models",
        len(chosen),
        rows.filter(rows["recorded_other"].fill_null(1) > 0)["disease"].n_unique(),
        len(scores),
    )
    return with_facts(rows, protocol=run.protocol, task=task.name)
