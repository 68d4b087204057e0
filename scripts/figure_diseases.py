"""Draw the scores of each disease."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.diseases import draw
from behrt.figures.style import save
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(table: Path, vocabulary: Path, png: Path, svg: Path, data: str, protocol: str) -> None:
    diseases = read_table(table)
    save(draw(diseases, read_vocabulary(vocabulary).chapters), png, svg, data == "simulated")
    logger.info("diseases: %d in the table, %s protocol", len(diseases), protocol)


if __name__ == "__main__":
    stage.run(main, snakemake)
