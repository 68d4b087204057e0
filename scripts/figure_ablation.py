"""Draw the scores of every combination of embeddings."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.ablation import draw
from behrt.figures.style import save
from behrt.logs import logger


def main(table: Path, png: Path, svg: Path, data: str, protocol: str, seed: int) -> None:
    rows = read_table(table)
    save(draw(rows), png, svg, data == "simulated")
    logger.info("ablation: %d rows drawn, %s protocol, seed %d", len(rows), protocol, seed)


if __name__ == "__main__":
    stage.run(main, snakemake)
