"""How far the nearest diseases agree with reference lists, and with chance."""

from pathlib import Path

import polars as pl

from behrt.evaluation.embeddings import patients_with, read_embeddings
from behrt.evaluation.neighbour_overlap import (
    pairs_of_chapters,
    pairs_of_risks,
    read_reference,
    tabulate,
)
from behrt.evaluation.neighbours import is_offered
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
    permutations: int,
    reference: Path | None = None,
    graph: Path | None = None,
    diseases: Path | None = None,
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        weights: of the pretrained model.
        vocabulary: names and chapters of the diseases.
        sequences: the shards.
        minimum_prevalence: share of the training patients with the disease.
        neighbours: diseases per disease.
        permutations: of the test.
        reference: the user's table of neighbours.
        graph, diseases: the true risks and the diseases of simulated patients.

    Returns:
        protocol String, and the columns of `behrt.evaluation.neighbour_overlap.tabulate`.
    """
    words = read_vocabulary(vocabulary)
    references = {"chapters": pairs_of_chapters(words)}
    if reference:
        references["table"] = read_reference(reference, words)
    if graph and diseases:
        references["risk graph"] = pairs_of_risks(graph, diseases, words)
    patients, n = patients_with(sequences, len(words.phenotypes))
    rows = tabulate(
        read_embeddings(weights, words),
        words,
        patients,
        patients / max(n, 1) >= minimum_prevalence,
        is_offered(patients, run.disclosure.threshold),
        neighbours,
        references,
        permutations,
        run.seed,
    )
    for row in rows.drop_nulls("overlap").iter_rows(named=True):
        logger.info(
            "neighbours and %s: overlap %.3f over %d diseases; shuffled among %s %.3f, p %.2g",
            *(row[key] for key in ("reference", "overlap", "diseases", "shuffled", "expected")),
            row["p_value"],
        )
    return with_facts(rows, protocol=run.protocol)
