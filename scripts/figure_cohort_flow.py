"""Draw the patients left after each step of the cohort."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.cohort_flow import draw
from behrt.figures.style import save
from behrt.logs import logger


def main(table: Path, png: Path, svg: Path, data: str) -> None:
    steps = read_table(table)
    save(draw(steps), png, svg, data == "simulated")
    logger.info("cohort flow: %d steps drawn", len(steps))


if __name__ == "__main__":
    stage.run(main, snakemake)
