"""Tabulate every average of every model's scores, with intervals and paired differences."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.assessment_tables import read_assessments, tabulate_averages
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger


def main(
    averages: list[Path],
    table: Path,
    reference: str,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
    resamples: int,
    seed: int,
) -> None:
    """Tabulate; resamples and seed are those of the assessments, and told by the caption."""
    rules = Rules(**disclosure)
    found = tabulate_averages(read_assessments(averages), reference, rules.threshold)
    write_table(with_facts(found, data=data, protocol=protocol), table, rules)
    logger.info("%s: %d averages", table.stem, len(found))


if __name__ == "__main__":
    stage.run(main, snakemake)
