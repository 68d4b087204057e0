"""Tabulate every model's decision curves."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.assessment_tables import read_assessments, tabulate_net_benefit
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    net_benefit: list[Path],
    vocabulary: Path,
    table: Path,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
    resamples: int,
    seed: int,
) -> None:
    """Tabulate; resamples and seed are those of the assessments, and told by the caption."""
    rules = Rules(**disclosure)
    assessed = read_assessments(net_benefit)
    curves = tabulate_net_benefit(assessed, read_vocabulary(vocabulary), rules)
    write_table(with_facts(curves, data=data, protocol=protocol), table, rules)
    logger.info("%s: %d rows", table.stem, len(curves))


if __name__ == "__main__":
    stage.run(main, snakemake)
