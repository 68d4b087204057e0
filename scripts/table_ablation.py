"""Tabulate every combination of age, segment and position embeddings, on or off."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.ablation import tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger


def main(
    metrics: list[Path],
    table: Path,
    tasks: list[str],
    models: list[str],
    resamples: int,
    seed: int,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
) -> None:
    """Tabulate; `metrics` are of each task, each model in it, and each combination in that."""
    rules = Rules(**disclosure)
    rows = tabulate(metrics, tasks, models, resamples, seed, rules.threshold)
    write_table(with_facts(rows, data=data, protocol=protocol), table, rules)
    for task, model, embeddings, value in (
        rows.filter(metric="APS", label_set="all")
        .select("task", "model", "embeddings", "value")
        .drop_nulls()
        .iter_rows()
    ):
        logger.info("ablation: %s, %s with %s: APS %.3f", task, model, embeddings, value)


if __name__ == "__main__":
    stage.run(main, snakemake)
