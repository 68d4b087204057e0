"""Tabulate the nearest diseases of each common disease in the pretrained embedding."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.embeddings import patients_with, read_embeddings
from behrt.evaluation.neighbours import is_offered, tabulate
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
    disclosure: dict[str, int],
    data: str,
    protocol: str,
) -> None:
    rules = Rules(**disclosure)
    words = read_vocabulary(vocabulary)
    embeddings = read_embeddings(weights, words)
    counts, patients = patients_with(sequences, len(words.phenotypes))
    common = counts / max(patients, 1) >= minimum_prevalence
    nearest = tabulate(embeddings, words, common, is_offered(counts, rules.threshold), neighbours)
    write_table(with_facts(nearest, data=data, protocol=protocol), table, rules)
    first = nearest.filter(nearest["rank"] == 1)["same_chapter"].drop_nulls()
    logger.info(
        "neighbours: %d diseases at or above a prevalence of %g; the nearest is of the same "
        "chapter for %.0f%%",
        nearest["disease"].n_unique(),
        minimum_prevalence,
        100 * first.sum() / max(len(first), 1),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
