"""Draw the course of the hyper-parameter searches."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.search import draw
from behrt.figures.style import save
from behrt.logs import logger


def main(tables: list[Path], png: Path, svg: Path, data: str) -> None:
    read = [read_table(path) for path in tables]
    save(draw(read), png, svg, data == "simulated")
    logger.info("searches: %d, trials: %d", len(read), sum(map(len, read)))


if __name__ == "__main__":
    stage.run(main, snakemake)
