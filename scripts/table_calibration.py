"""Tabulate how well every model's risks are calibrated, and the points of the reliability plots."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.assessment_tables import (
    read_assessments,
    tabulate_calibration,
    tabulate_reliability,
)
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger


def main(
    calibration: list[Path],
    reliability: list[Path],
    table: Path,
    points: Path,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
    resamples: int,
    seed: int,
) -> None:
    """Tabulate; resamples and seed are those of the assessments, and told by the caption."""
    rules = Rules(**disclosure)
    measures = tabulate_calibration(read_assessments(calibration), rules)
    curves = tabulate_reliability(read_assessments(reliability), rules)
    write_table(with_facts(measures, data=data, protocol=protocol), table, rules)
    write_table(with_facts(curves, data=data, protocol=protocol), points, rules)
    logger.info("%s: %d rows", table.stem, len(measures))


if __name__ == "__main__":
    stage.run(main, snakemake)
