"""Every model's scores by sex, age, region and practice."""

from pathlib import Path

import polars as pl

from behrt.evaluation.subgroups import read_patients, read_traits, tabulate
from behrt.evaluation.tidy import with_facts
from behrt.run import Run


def table(
    run: Run, sequences: list[Path], examples: list[Path], metrics: list[Path], burdens: list[Path]
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        sequences: the shards.
        examples, burdens: one file per task, in the same order; burdens are <task>/burden.parquet.
        metrics: evaluation/<task>/<model>.parquet of every task and model.

    Returns:
        protocol String, and the columns of `behrt.evaluation.subgroups.tabulate`.
    """
    parts = []
    for drawn, burden in zip(examples, burdens, strict=True):
        task = burden.parent.name
        found = read_patients([path for path in metrics if path.parent.name == task], burden)
        traits = read_traits(sequences, drawn)
        parts.append(tabulate(traits, found, run.bootstrap, task, run.disclosure))
    return with_facts(pl.concat(parts), protocol=run.protocol)
