"""Table S3: the nearest diseases of each common disease in the pretrained embedding."""

from pathlib import Path

import polars as pl

from behrt.evaluation.embeddings import patients_with, read_embeddings
from behrt.evaluation.neighbours import is_offered, tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.run import Run
from behrt.sequences.vocabulary import read_vocabulary


def table(
    run: Run,
    weights: Path,
    vocabulary: Path,
    sequences: list[Path],
    minimum_prevalence: float,
    neighbours: int,
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        weights: of the pretrained model.
        vocabulary: names and chapters of the diseases.
        sequences: the shards.
        minimum_prevalence: share of the training patients with the disease.
        neighbours: diseases per disease.

    Returns:
        protocol String, and the columns of `behrt.evaluation.neighbours.tabulate`.
    """
    words = read_vocabulary(vocabulary)
    counts, patients = patients_with(sequences, len(words.phenotypes))
    common = counts / max(patients, 1) >= minimum_prevalence
    offered = is_offered(counts, run.disclosure.threshold)
    rows = tabulate(read_embeddings(weights, words), words, common, offered, neighbours)
    first = rows.filter(rows["rank"] == 1)["same_chapter"].drop_nulls()
    logger.info(
        "neighbours: %d diseases at or above a prevalence of %g; the nearest disease has the same "
        "chapter for %.0f%%",
        rows["disease"].n_unique(),
        minimum_prevalence,
        100 * first.sum() / max(len(first), 1),
    )
    return with_facts(rows, protocol=run.protocol)
