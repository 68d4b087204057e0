"""The patients left after each criterion of each outcome."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from behrt.evaluation.tidy import with_facts
from behrt.files import read_json
from behrt.run import Run
from behrt.tables.cohort_flow import tabulate


def table(run: Run, manifests: list[Path], outcomes: Mapping[str, str]) -> pl.DataFrame:
    """Return outcome, definition String, and the columns of `behrt.tables.cohort_flow.tabulate`.

    Args:
        run: the run.
        manifests: outcomes/<outcome>/manifest.json of every outcome.
        outcomes: what each outcome is, by name, in the order of the rows.
    """
    steps = {path.parent.name: read_json(path)["steps"] for path in manifests}
    schema = {"step": pl.Int8, "name": pl.String, "patients": pl.Int64}
    return pl.concat(
        with_facts(
            tabulate(
                pl.DataFrame(
                    [(n, step["name"], step["patients"]) for n, step in enumerate(steps[name])],
                    schema=schema,
                    orient="row",
                ),
                run.disclosure,
            ),
            outcome=name,
            definition=definition,
        )
        for name, definition in outcomes.items()
    )
