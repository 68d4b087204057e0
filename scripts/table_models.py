"""Tabulate every model on every task: table 1 (all labels) or table 2 (first incidence)."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.model_tables import render, tabulate
from behrt.files import write_csv
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
    threshold: int,
) -> None:
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
        threshold,
    )
    write_csv(compared, table)
    logger.info("%s, %s protocol:\n%s", table.stem, protocol, render(compared))


if __name__ == "__main__":
    stage.run(main, snakemake)
