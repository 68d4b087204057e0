"""How well models predict each outcome after learning from few labels."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from behrt.evaluation.outcome_decision import ALL
from behrt.evaluation.outcomes import RANKING
from behrt.evaluation.tidy import with_facts
from behrt.run import Run
from behrt.tables.outcome_scores import tabulate


def table(run: Run, scores: list[Path], outcomes: Mapping[str, str]) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        scores: outcomes/<outcome>/assessment/<labels>/scores.parquet of every outcome and number of
            labels.
        outcomes: what each outcome is, by name, in the order of the rows.

    Returns:
        protocol, outcome, labels String, and the other columns of
        `behrt.tables.outcome_scores.tabulate`; rows of all patients only.
    """
    parts = []
    for name in outcomes:
        for path in (path for path in scores if path.parents[2].name == name):
            rows = pl.read_parquet(path).filter(
                pl.col("subgroup") == ALL, pl.col("metric").is_in(RANKING)
            )
            number = path.parent.name
            labels = pl.lit(number if number.isdecimal() else "all").alias("labels")
            found = tabulate(rows, name, run.disclosure).drop("risks", "subgroup", "group")
            parts.append(found.select("outcome", labels, pl.exclude("outcome")))
    return with_facts(pl.concat(parts), protocol=run.protocol)
