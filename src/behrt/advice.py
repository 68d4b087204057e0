"""Advice on the memory and time that rules request, from what a run measured of its jobs.

A job's memory (largest resident memory) and time are taken to grow linearly with the rows of
patients that it reads (`behrt.resources.input_mb`), unless the request of its rule does not depend
on them. Where the jobs of a rule read inputs of several sizes, the line is fitted by least squares,
with neither a negative slope nor a negative value without input, and raised until no job is above
it. Otherwise the measure is taken to grow in the same proportion as the request.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import nnls

from behrt.resources import LONGEST

MEMORY_MARGIN = 1.5
"""Advised memory is the expected one times this: it is sampled, and a peak may be missed."""

TIME_MARGIN = 3.0
"""Advised time is the expected one times this: the machines of a cluster differ."""

_SEVERAL_SIZES = 1.5
"""Inputs are of several sizes if the largest is that many times the smallest."""

_MUCH_MB, _TOO_MUCH = 2000, 4
_STEP_MB, _STEP_MINUTES = 100, 5

REQUESTS = pl.Schema(
    {
        "variant": pl.String,
        "rule": pl.String,
        "job": pl.String,
        "input_mb": pl.Float64,
        "asked_mb": pl.Float64,
        "asked_minutes": pl.Float64,
        "least_mb": pl.Float64,
        "least_minutes": pl.Float64,
    }
)
"""The columns of `behrt.job_requests.requests_of`."""


@dataclass(frozen=True)
class Line:
    """A measure as a function of the input: `start + slope × input`, in MiB."""

    start: float
    slope: float

    def at(self, input_mb: float) -> float:
        """Return the measure that is expected of an input."""
        return self.start + self.slope * input_mb


def line_through(inputs: Sequence[float], measures: Sequence[float]) -> Line:
    """Return the fitted line, raised so that no measure is above it.

    >>> line_through([1, 2, 3], [110, 120, 130])
    Line(start=100.0, slope=10.0)

    Args:
        inputs: of the jobs, in MiB; at least two are different.
        measures: of the same jobs.
    """
    x, y = np.array(inputs, dtype=float), np.array(measures, dtype=float)
    (start, slope), _ = nnls(np.column_stack([np.ones_like(x), x]), y)
    above = float((y - start - slope * x).max())
    return Line(round(float(start) + above, 6), round(float(slope), 6))


def line_like(
    inputs: Sequence[float],
    measures: Sequence[float],
    asked: Sequence[float],
    least: Sequence[float],
) -> Line:
    """Return the line of the request, in proportion to the measures: none is above it.

    >>> line_like([5], [300], asked=[2000], least=[1000])
    Line(start=150.0, slope=30.0)

    Args:
        inputs: of the jobs, in MiB.
        measures: of the same jobs.
        asked: what is requested for them.
        least: what would be requested for them without patients.
    """
    shares = [measure / max(now, 1e-9) for measure, now in zip(measures, asked, strict=True)]
    largest = int(np.argmax(shares))
    growing = shares[largest] * (asked[largest] - least[largest])
    slope = growing / inputs[largest] if growing > 0 else 0.0
    return Line(shares[largest] * least[largest], slope)


def advise(jobs: pl.DataFrame, requests: pl.DataFrame, growth: float = 1.0) -> pl.DataFrame:
    """Return one row per rule: measured, asked and advised memory and time of its largest job.

    Args:
        jobs: the measures of a run (`behrt.benchmark_files.read`).
        requests: of the same run, with the columns of `REQUESTS`.
        growth: how many times as many patients the planned run has; asked and advised are those of
            its jobs, with as many jobs as in this run.

    Returns:
        rule, jobs, largest_input_mb; measured_gb (of 1,000 MB), measured_minutes, cpu_minutes (of
        all jobs together); asked_gb, asked_minutes, advised_gb, advised_minutes, and advice. Asked
        and advised are null where no job of the rule could be compared.
    """
    found = jobs.join(requests, on=["variant", "rule", "job"], how="left")
    rows = []
    for (name,), of_rule in found.group_by("rule"):
        row: dict[str, Any] = {
            "rule": name,
            "jobs": of_rule.height,
            "largest_input_mb": of_rule["input_mb"].max(),
            "measured_gb": _over(of_rule["max_rss_mb"].max(), 1000),
            "measured_minutes": _over(of_rule["seconds"].max(), 60),
            "cpu_minutes": _over(of_rule["cpu_seconds"].sum(), 60),
        }
        compared = of_rule.drop_nulls(["max_rss_mb", "input_mb", "asked_mb"])
        if compared.height:
            row |= _advice(compared, growth)
        rows.append(row)
    return pl.DataFrame(rows, schema=_ADVICE).with_columns(pl.col(pl.Float64).round(2)).sort("rule")


_ADVICE = pl.Schema(
    {
        "rule": pl.String,
        "jobs": pl.Int64,
        "largest_input_mb": pl.Float64,
        "measured_gb": pl.Float64,
        "measured_minutes": pl.Float64,
        "cpu_minutes": pl.Float64,
        "asked_gb": pl.Float64,
        "asked_minutes": pl.Float64,
        "advised_gb": pl.Float64,
        "advised_minutes": pl.Float64,
        "advice": pl.String,
    }
)


def _over(value: Any, unit: float) -> float | None:
    return None if value is None else float(value) / unit


def _advice(jobs: pl.DataFrame, growth: float) -> dict[str, Any]:
    """Return what is asked and advised for the largest of some jobs of one rule."""
    inputs = jobs["input_mb"].to_list()
    several = max(inputs) > _SEVERAL_SIZES * min(inputs)
    values: dict[str, float] = {}
    for unit, measures, margin, step, most in (
        ("mb", jobs["max_rss_mb"].to_list(), MEMORY_MARGIN, _STEP_MB, math.inf),
        ("minutes", (jobs["seconds"] / 60).to_list(), TIME_MARGIN, _STEP_MINUTES, LONGEST),
    ):
        asked, least = jobs[f"asked_{unit}"].to_list(), jobs[f"least_{unit}"].to_list()
        line = (
            line_through(inputs, measures)
            if several and asked != least
            else line_like(inputs, measures, asked, least)
        )
        advised = step * math.ceil(margin * line.at(max(inputs) * growth) / step)
        planned = (start + (now - start) * growth for now, start in zip(asked, least, strict=True))
        values[f"advised_{unit}"] = min(advised, most)
        values[f"asked_{unit}"] = min(max(planned), most)
    more = [
        what
        for what, unit in (("memory", "mb"), ("time", "minutes"))
        if values[f"asked_{unit}"] < values[f"advised_{unit}"]
    ]
    if more:
        advice = f"more {' and '.join(more)}"
    elif values["asked_mb"] > max(_TOO_MUCH * values["advised_mb"], _MUCH_MB):
        advice = "less memory"
    else:
        advice = "enough"
    return {
        "asked_gb": values["asked_mb"] / 1000,
        "asked_minutes": values["asked_minutes"],
        "advised_gb": values["advised_mb"] / 1000,
        "advised_minutes": values["advised_minutes"],
        "advice": advice,
    }


def as_text(advised: pl.DataFrame, notes: Sequence[str]) -> str:
    """Return the advice as lines of a terminal, below some sentences, rules with advice first.

    Args:
        advised: as `advise` returns it.
        notes: sentences.
    """
    heads = ("rule", "jobs", "input", "memory (GB)", "", "", "time (min)", "", "", "")
    below = ("", "", "(MB)", *("measured", "asked", "advised") * 2, "")
    changes = pl.col("advice").str.starts_with("more").fill_null(value=False)
    ordered = advised.sort(changes, "rule", descending=[True, False])
    shown: list[tuple[str, ...]] = [
        heads,
        below,
        *(
            (
                row["rule"],
                str(row["jobs"]),
                _number(row["largest_input_mb"]),
                *(_number(row[f"{what}_gb"]) for what in ("measured", "asked", "advised")),
                *(_number(row[f"{what}_minutes"]) for what in ("measured", "asked", "advised")),
                row["advice"] or "not compared",
            )
            for row in ordered.iter_rows(named=True)
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place in (0, len(widths) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in shown
    ]
    return "\n".join([*notes, "", *lines])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def resources_for_profile(advised: pl.DataFrame) -> Mapping[str, dict[str, int]]:
    """Return `set-resources` of a profile: of each rule that needs more, what is advised."""
    return {
        row["rule"]: {
            "mem_mb": round(1000 * row["advised_gb"]),
            "runtime": round(row["advised_minutes"]),
        }
        for row in advised.iter_rows(named=True)
        if (row["advice"] or "").startswith("more")
    }
