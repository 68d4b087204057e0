"""The number of patients left after each step of a cohort, for every source."""

from collections.abc import Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.errors import InputError


class Flow(dy.Schema):
    """One row per step: the patients left after it."""

    step = dy.Int8(primary_key=True, min=0)
    name = dy.String()
    patients = dy.Int64(min=0)


def add_flows(counts: Sequence[Path], where: str, who: str, fix: str) -> dy.DataFrame[Flow]:
    """Add up the shards' patients, step by step.

    Args:
        counts: the shards' flows.
        where, who, fix: for the error: the place, the kind of people, and the advice.

    Raises:
        InputError: no patient is left.
    """
    total = (
        pl.concat([pl.read_parquet(path) for path in counts])
        .group_by("step", "name")
        .agg(pl.col("patients").sum())
        .sort("step")
    )
    if total["patients"][-1] == 0:
        name = total.filter(patients=0)["name"][0]
        raise InputError(where, f"no {who} is left after the step {name!r}", fix)
    return Flow.validate(total)
