"""Draw how one model differs from every other, disease by disease."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.disease_differences import draw
from behrt.figures.style import save
from behrt.logs import logger


def main(table: Path, png: Path, svg: Path, data: str, protocol: str, model: str) -> None:
    differences = read_table(table)
    save(draw(differences, model), png, svg, data == "simulated")
    others = differences.filter(model=model)["other"].n_unique()
    logger.info("disease differences: %s and %d others, %s protocol", model, others, protocol)


if __name__ == "__main__":
    stage.run(main, snakemake)
