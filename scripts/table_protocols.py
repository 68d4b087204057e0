"""Tabulate one model under the strict protocol and under each leniency of the paper's."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.protocol_table import tabulate_protocols
from behrt.logs import logger


def main(
    metrics: list[Path],
    pretraining: list[Path],
    table: Path,
    model: str,
    tasks: list[str],
    protocols: list[str],
    resamples: int,
    seed: int,
    data: str,
    disclosure: dict[str, int],
) -> None:
    rules = Rules(**disclosure)
    compared = tabulate_protocols(
        metrics, pretraining, model, tasks, protocols, resamples, seed, data, rules.threshold
    )
    write_table(compared, table, rules)
    worth = compared.filter(pl.col("metric") == "APS", pl.col("label_set") == "all")
    lines = (
        worth.filter(pl.col("difference").is_not_null())
        .select(pl.format("{} {} {}", "task", "protocol", pl.col("difference")))
        .to_series()
    )
    logger.info("protocols, APS less that of strict: %s", "; ".join(lines))


if __name__ == "__main__":
    stage.run(main, snakemake)
