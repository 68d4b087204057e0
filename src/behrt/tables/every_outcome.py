"""Tables that have rows of every outcome."""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from behrt.disclosure import Rules
from behrt.evaluation.tidy import with_facts
from behrt.run import Run


def of_every_outcome(
    run: Run,
    assessments: list[Path],
    outcomes: Mapping[str, str],
    tabulate: Callable[[pl.DataFrame, str, Rules], pl.DataFrame],
) -> pl.DataFrame:
    """Return protocol String, and the rows of every outcome.

    Args:
        run: the run.
        assessments: a file of outcomes/<outcome>/assessment/<labels>/ of every outcome.
        outcomes: what each outcome is, by name, in the order of the rows.
        tabulate: returns the rows of one, from its file, its name and the disclosure rules.
    """
    of_outcome = {path.parents[2].name: path for path in assessments}
    parts = [tabulate(pl.read_parquet(of_outcome[name]), name, run.disclosure) for name in outcomes]
    return with_facts(pl.concat(parts), protocol=run.protocol)
