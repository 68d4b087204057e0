"""Write the map of the disease embeddings as an interactive page."""

from pathlib import Path

from behrt import stage
from behrt.figures.embedding_map import read_map
from behrt.figures.embedding_page import describe, render
from behrt.files import atomic
from behrt.logs import logger
from behrt.run import Run


def main(
    weights: Path, vocabulary: Path, sequences: list[Path], page: Path, run: Run, neighbours: int
) -> None:
    shown = read_map(weights, vocabulary, sequences, run.seed, run.disclosure)
    diseases = describe(
        shown.places,
        shown.vocabulary,
        shown.patients,
        shown.total,
        shown.embeddings,
        neighbours,
        run.disclosure,
    )
    text = render(
        diseases,
        shown.vocabulary,
        shown.bands,
        int(run.disclosure.round(shown.total)),
        run.data,
        run.protocol,
        run.seed,
    )
    with atomic(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    logger.info("page of the embedding map: %d diseases", len(diseases))


if __name__ == "__main__":
    stage.run(main, snakemake)
