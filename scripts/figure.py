"""Draw one figure: call the function `draw` of its module in behrt.figures, and save the result."""

from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.figures.style import save
from behrt.logs import logger


def _read(paths: Path | list[Path]) -> pl.DataFrame | list[pl.DataFrame]:
    return read_table(paths) if isinstance(paths, Path) else [read_table(path) for path in paths]


def main(
    png: Path,
    svg: Path,
    module: str,
    tables: list[str],
    settings: dict[str, Any],
    data: str,
    **inputs: Path | list[Path],
) -> None:
    """Save the figure; the inputs that `tables` names are read, the others passed as paths."""
    draw = import_module(f"behrt.figures.{module}").draw
    given: dict[str, Any] = {
        name: _read(paths) if name in tables else paths for name, paths in inputs.items()
    }
    save(draw(**given, **stage.arguments(draw, settings)), png, svg, data == "simulated")
    logger.info("%s: drawn%s", png.stem, f" from {', '.join(tables)}" if tables else "")


if __name__ == "__main__":
    stage.run(main, snakemake)
