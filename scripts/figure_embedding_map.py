"""Draw the map of the disease embeddings that pretraining learned, on paper and as a page."""

from pathlib import Path

import numpy as np

from behrt import stage
from behrt.disclosure import Rules
from behrt.evaluation.clusters import find_clusters
from behrt.evaluation.embeddings import keep_told, patients_with, read_embeddings
from behrt.figures.embedding_map import SEEN_ENOUGH, draw, project
from behrt.figures.embedding_page import describe, render
from behrt.figures.style import save
from behrt.files import atomic
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    weights: Path,
    vocabulary: Path,
    png: Path,
    svg: Path,
    page: Path,
    data: str,
    protocol: str,
    seed: int,
    neighbours: int,
    disclosure: dict[str, int],
    sequences: list[Path],
) -> None:
    words = read_vocabulary(vocabulary)
    rules = Rules(**disclosure)
    patients, total = patients_with(sequences, len(words.phenotypes))
    words, embeddings, patients = keep_told(
        words, read_embeddings(weights, words), patients, rules.threshold
    )
    places = project(embeddings, seed)
    bands = np.array([rules.band(int(count))[0] for count in patients], dtype=np.int64)
    seen_enough = bands >= SEEN_ENOUGH
    clusters = find_clusters(places, words, seen_enough)
    save(draw(places, words, bands, clusters), png, svg, data == "simulated")
    diseases = describe(places, words, patients, total, embeddings, neighbours, rules)
    with atomic(page) as temporary:
        text = render(diseases, words, bands, int(rules.round(total)), data, protocol, seed)
        temporary.write_text(text, encoding="utf-8")
    logger.info(
        "embedding map: %d diseases, %d of them seen in at least %d training patients; "
        "enlarged: %s",
        len(patients),
        seen_enough.sum(),
        SEEN_ENOUGH,
        ", ".join(cluster.chapter for cluster in clusters) or "none",
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
