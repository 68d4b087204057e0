"""Tabulate every model's scores by sex, age, region and practice."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.subgroups import read_patients, read_traits, tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger


def main(
    sequences: list[Path],
    examples: list[Path],
    metrics: list[Path],
    burdens: list[Path],
    table: Path,
    resamples: int,
    seed: int,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
) -> None:
    """Tabulate; `examples` and `burdens` have a file a task, in the same order."""
    rules = Rules(**disclosure)
    parts = []
    for drawn, burden in zip(examples, burdens, strict=True):
        task = burden.parent.name
        found = read_patients([path for path in metrics if path.parent.name == task], burden)
        traits = read_traits(sequences, drawn)
        parts.append(tabulate(traits, found, resamples, seed, task, rules.threshold))
    write_table(with_facts(pl.concat(parts), data=data, protocol=protocol), table, rules)
    logger.info("%s: %d tasks", table.stem, len(burdens))


if __name__ == "__main__":
    stage.run(main, snakemake)
