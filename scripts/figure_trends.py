"""Draw every model's scores from task to task."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.style import save
from behrt.figures.trends import draw
from behrt.logs import logger


def main(table1: Path, table2: Path, png: Path, svg: Path, data: str) -> None:
    tables = {"all": read_table(table1), "first_incidence": read_table(table2)}
    save(draw(tables), png, svg, data == "simulated")
    logger.info("trends: %d models on every task", tables["all"]["model"].n_unique())


if __name__ == "__main__":
    stage.run(main, snakemake)
