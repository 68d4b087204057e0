"""Tabulate every model on every task: table 1 (all labels) or table 2 (first incidence)."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.model_tables import render, tabulate
from behrt.logs import logger


def main(
    metrics: list[Path],
    table: Path,
    label_set: str,
    tasks: list[str],
    models: list[str],
    reference: str,
    resamples: int,
    seed: int,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
) -> None:
    rules = Rules(**disclosure)
    compared = tabulate(
        metrics,
        label_set,
        tasks,
        models,
        reference,
        resamples,
        seed,
        protocol,
        data,
        rules.threshold,
    )
    shown = write_table(compared, table, rules)
    logger.info("%s, %s protocol:\n%s", table.stem, protocol, render(shown))


if __name__ == "__main__":
    stage.run(main, snakemake)
