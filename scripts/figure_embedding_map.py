"""Draw the map of the disease embeddings that pretraining learned."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.embeddings import patients_with, read_embeddings
from behrt.figures.embedding_map import SEEN_ENOUGH, draw, project
from behrt.figures.style import save
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    weights: Path,
    vocabulary: Path,
    png: Path,
    svg: Path,
    data: str,
    seed: int,
    sequences: list[Path],
) -> None:
    words = read_vocabulary(vocabulary)
    places = project(read_embeddings(weights, words), seed)
    patients, _ = patients_with(sequences, len(words.phenotypes))
    save(draw(places, words, patients), png, svg, data == "simulated")
    logger.info(
        "embedding map: %d diseases, %d of them seen in at least %d training patients",
        len(patients),
        (patients >= SEEN_ENOUGH).sum(),
        SEEN_ENOUGH,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
