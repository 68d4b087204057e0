"""The patients left after each step of the cohort, fit to be printed (paper, Fig. 1)."""

from pathlib import Path

import polars as pl

from behrt.disclosure import hide_steps, suppress


def tabulate(flow: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Return the steps with small counts, small exclusions and what would reveal them hidden.

    Args:
        flow: step, name, patients (`behrt.flow.Flow`), in order of the steps.
        threshold: the smallest count of patients, or difference, to show.

    Returns:
        step Int8, name String, patients Int64 left after the step, excluded Int64 by it (null at
        the first step, and where one of its two numbers is hidden).
    """
    hidden = hide_steps(flow["patients"].to_numpy(), threshold)
    return suppress(flow, hidden, ["patients"]).with_columns(
        excluded=pl.col("patients").shift() - pl.col("patients")
    )


def read_flow(path: Path) -> pl.DataFrame:
    """Return the steps of a cohort in order."""
    return pl.read_parquet(path).sort("step")
