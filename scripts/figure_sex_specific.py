"""Draw the diseases of one sex as they are predicted to both."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.sex_specific import draw
from behrt.figures.style import save
from behrt.logs import logger


def main(
    table: Path, png: Path, svg: Path, reference: str, ranks: int, data: str, protocol: str
) -> None:
    rows = read_table(table)
    save(draw(rows, reference, ranks), png, svg, data == "simulated")
    logger.info("diseases of one sex: %d drawn, %s protocol", rows["disease"].n_unique(), protocol)


if __name__ == "__main__":
    stage.run(main, snakemake)
