"""Draw the scores of the subgroups."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.style import save
from behrt.figures.subgroups import draw
from behrt.logs import logger


def main(table: Path, png: Path, svg: Path, reference: str, data: str) -> None:
    save(draw(read_table(table), reference), png, svg, data == "simulated")
    logger.info("subgroups: drawn, with %s as the reference", reference)


if __name__ == "__main__":
    stage.run(main, snakemake)
