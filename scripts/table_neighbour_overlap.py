"""Compare the nearest diseases with what is known of them, and with chance."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
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
from behrt.sequences.vocabulary import read_vocabulary


def main(
    weights: Path,
    vocabulary: Path,
    sequences: list[Path],
    table: Path,
    minimum_prevalence: float,
    neighbours: int,
    permutations: int,
    disclosure: dict[str, int],
    seed: int,
    data: str,
    protocol: str,
    reference: Path | None = None,
    graph: Path | None = None,
    diseases: Path | None = None,
) -> None:
    """Tabulate; `reference` is the user's table, `graph` and `diseases` are the simulation's."""
    rules = Rules(**disclosure)
    words = read_vocabulary(vocabulary)
    references = {"chapters": pairs_of_chapters(words)}
    if reference:
        references["table"] = read_reference(reference, words)
    if graph and diseases:
        references["risk graph"] = pairs_of_risks(graph, diseases, words)
    patients, n = patients_with(sequences, len(words.phenotypes))
    overlap = tabulate(
        read_embeddings(weights, words),
        words,
        patients,
        patients / max(n, 1) >= minimum_prevalence,
        is_offered(patients, rules.threshold),
        neighbours,
        references,
        permutations,
        seed,
    )
    write_table(with_facts(overlap, data=data, protocol=protocol), table, rules)
    for row in overlap.drop_nulls("overlap").iter_rows(named=True):
        logger.info(
            "neighbours and %s: overlap %.3f over %d diseases; shuffled among %s %.3f, p %.2g",
            *(row[key] for key in ("reference", "overlap", "diseases", "shuffled", "expected")),
            row["p_value"],
        )


if __name__ == "__main__":
    stage.run(main, snakemake)
