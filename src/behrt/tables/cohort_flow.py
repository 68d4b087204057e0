"""Figure 1 in numbers: the patients left after each step of the cohort."""

from pathlib import Path

import polars as pl

from behrt.disclosure import Rules, hide_steps, suppress
from behrt.evaluation.tidy import with_facts
from behrt.run import Run


def table(run: Run, flow: Path) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        flow: the steps of the cohort.
    """
    return with_facts(tabulate(read_flow(flow), run.disclosure), protocol=run.protocol)


def tabulate(flow: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the steps with small counts, small exclusions and counts that reveal them hidden.

    Args:
        flow: step, name, patients (`behrt.flow.Flow`), in order of the steps.
        rules: which count of patients, or difference, is too small to show, and how to round.

    Returns:
        step Int8, name String, patients Int64 left after the step, excluded Int64 by it: the
        difference of two numbers as they are shown (null at the first step, and where one of the
        two is hidden).
    """
    hidden = hide_steps(flow["patients"].to_numpy(), rules.threshold)
    return suppress(flow, hidden, ["patients"]).with_columns(
        excluded=-rules.round(pl.col("patients")).diff()
    )


def read_flow(path: Path) -> pl.DataFrame:
    """Return the steps of a cohort in order."""
    return pl.read_parquet(path).sort("step")
