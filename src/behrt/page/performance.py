"""The page of a run: its time, memory and disk by stage, and what the paper's size would take.

Unlike all other pages, it differs between two runs of one configuration.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from behrt import benchmark_files
from behrt.checksums import artefacts
from behrt.machine import Machine
from behrt.page.page import environment
from behrt.version import VERSION

PAPER_PATIENTS = 1_600_000
"""The patients of the paper's cohort (Li et al. 2020, Methods: those with five visits or more)."""

LONGEST_JOBS = 10
SMALL = 10_000
"""Patients below which most of the time of a run is the start of its jobs."""

OTHER = "other"
"""The stage of jobs and files that belong to none, such as those of an earlier version."""


@dataclass(frozen=True)
class Stage:
    """A stage, in the order of a run: a file of rules/.

    Attributes:
        name: of the file.
        paths: regular expressions of its files, folders and benchmark files in the run's folder.
    """

    name: str
    paths: list[str]


def measure(run: Path, stages: Sequence[Stage]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return what was measured of each job, with its stage and its end, and the bytes by stage.

    Args:
        run: the folder of the run.
        stages: every stage. Jobs and files of none of them are those of `OTHER`.
    """
    patterns = [
        (re.compile(f"(?:{path})(?:/.*)?"), stage.name) for stage in stages for path in stage.paths
    ]

    def stage_of(path: Path) -> str:
        name = path.relative_to(run).as_posix()
        return next((stage for form, stage in patterns if form.fullmatch(name)), OTHER)

    folder = run / "benchmarks"
    jobs = benchmark_files.read(folder)
    stage = pl.Series("stage", [stage_of(folder / path) for path in jobs["path"]], pl.String)
    jobs = jobs.with_columns(stage)
    disk: Counter[str] = Counter()
    for path in artefacts(run):
        disk[stage_of(run / path)] += (run / path).stat().st_size
    return jobs, disk


def busy_seconds(jobs: pl.DataFrame) -> float:
    """Return how long at least one job ran: the length of the union of their times."""
    total, until = 0.0, float("-inf")
    times = jobs.drop_nulls("seconds").select(start=pl.col("end") - pl.col("seconds"), end="end")
    for start, end in times.sort("start").iter_rows():
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def by_stage(
    jobs: pl.DataFrame,
    disk: Mapping[str, int],
    stages: Sequence[Stage],
    growth: Mapping[str, Mapping[str, float]],
) -> pl.DataFrame:
    """Return one row per stage that ran or has files, in the order of a run.

    Columns: stage, jobs, seconds (of all jobs), cpu_seconds, longest (seconds of one job),
    max_rss_mb (of one job), disk_mb; and grown_seconds, with each job longer by its factor in
    `growth`, which `behrt.paper_size.relative_work` returns.
    """
    factors = {
        f"{rule}/{model}": factor
        for rule, models in growth.items()
        for model, factor in models.items()
    }
    model = pl.col("rule") + "/" + pl.col("job").str.split("/").list.last()
    factor = model.replace_strict(factors, default=1.0, return_dtype=pl.Float64)
    measured = jobs.group_by("stage").agg(
        pl.len().alias("jobs"),
        pl.col("seconds").sum(),
        pl.col("cpu_seconds").sum(),
        pl.col("seconds").max().alias("longest"),
        pl.col("max_rss_mb").max(),
        (pl.col("seconds") * factor).sum().alias("grown_seconds"),
    )
    names = [*(stage.name for stage in stages), OTHER]
    sizes = [disk.get(name, 0) / 1e6 for name in names]
    order = pl.DataFrame({"stage": names, "disk_mb": pl.Series(sizes, dtype=pl.Float64)})
    found = order.join(measured, on="stage", how="left", maintain_order="left")
    found = found.filter(pl.col("jobs").is_not_null() | (pl.col("disk_mb") > 0))
    return found.with_columns(
        pl.col("jobs", "seconds", "cpu_seconds", "grown_seconds").fill_null(0)
    )


def duration(seconds: float | None) -> str:
    """Return a time in words.

    >>> [duration(each) for each in (None, 0.25, 75, 5400, 200_000)]
    ['–', '0.2 s', '75 s', '90 min', '56 h']
    """
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 4 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h"


def amount(megabytes: float | None) -> str:
    """Return an amount of memory or disk in words.

    >>> [amount(each) for each in (None, 0.02, 350, 6_700, 31_000)]
    ['–', '0.0 MB', '350 MB', '6.7 GB', '31 GB']
    """
    if megabytes is None:
        return "–"
    if megabytes < 1000:
        return f"{megabytes:.{int(megabytes < 10)}f} MB"
    return f"{megabytes / 1000:,.{int(megabytes < 10_000)}f} GB"


def times(factor: float) -> str:
    """Return a factor in two digits or more.

    >>> [times(each) for each in (0.5, 4, 30.79, 1000)]
    ['0.5', '4.0', '31', '1,000']
    """
    return f"{factor:,.{int(factor < 10)}f}"


def performance_page(
    name: str,
    jobs: pl.DataFrame,
    disk: Mapping[str, int],
    stages: Sequence[Stage],
    growth: Mapping[str, Mapping[str, float]],
    patients: int | None,
    machine: Machine,
) -> str:
    """Return the page.

    Args:
        name: of the run.
        jobs, disk: what `measure` returns.
        stages: every stage.
        growth: what `behrt.paper_size.relative_work` returns for the paper's sizes.
        patients: of the cohort, as the tables show them; None if that number is hidden.
        machine: on which the page is made.
    """
    rows = by_stage(jobs, disk, stages, growth)
    longest = jobs.sort("seconds", descending=True, nulls_last=True).head(LONGEST_JOBS)
    template = environment().get_template("performance.html.jinja")
    return template.render(
        name=name,
        rows=rows.to_dicts(),
        total={
            column: rows[column].sum() for column in ("jobs", "seconds", "cpu_seconds", "disk_mb")
        },
        grown=rows["grown_seconds"].sum(),
        peak=rows["max_rss_mb"].max(),
        busy=busy_seconds(jobs),
        longest=longest.to_dicts(),
        growth={
            model: factor
            for rule in ("pretrain", "finetune")
            for model, factor in growth.get(rule, {}).items()
            if factor != 1
        },
        patients=patients,
        ratio=None if not patients else PAPER_PATIENTS / patients,
        small=SMALL,
        paper_patients=PAPER_PATIENTS,
        machine=machine,
        version=VERSION,
        duration=duration,
        amount=amount,
        times=times,
    )
