"""How many people are left after each step of a cohort, whatever its source."""

from collections.abc import Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.errors import InputError


class Flow(dy.Schema):
    """Patients left after a step, one step a row."""

    step = dy.Int8(primary_key=True, min=0)
    name = dy.String()
    patients = dy.Int64(min=0)


def add_flows(counts: Sequence[Path], where: str, who: str, mend: str) -> dy.DataFrame[Flow]:
    """Add the shards' patients up, step by step.

    Args:
        counts: the shards' flows.
        where, who, mend: of the error: what is wrong, of whom none is left, and what helps.

    Raises:
        InputError: nobody is left.
    """
    total = (
        pl.concat([pl.read_parquet(path) for path in counts])
        .group_by("step", "name")
        .agg(pl.col("patients").sum())
        .sort("step")
    )
    if total["patients"][-1] == 0:
        name = total.filter(patients=0)["name"][0]
        raise InputError(where, f"no {who} is left after the step {name!r}", mend)
    return Flow.validate(total)
