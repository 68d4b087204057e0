"""One model's scores by sex, age, region and practice, with all tasks side by side."""

from typing import cast

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from behrt.evaluation.subgroups import METRICS, SUBGROUPS
from behrt.figures.below import write_below
from behrt.figures.labels import shortened, wrapped
from behrt.figures.models import METRIC_TITLES, facts, note_too_few
from behrt.figures.style import FAINT, QUIET, new_figure, series_marks
from behrt.tasks import Task

_HEADINGS = {
    "sex": "Sex",
    "age": "Age at the prediction",
    "region": "Region",
    "practice": "Practices",
}

_REGIONS = {
    "1": "North East",
    "2": "North West",
    "3": "Yorkshire and the Humber",
    "4": "East Midlands",
    "5": "West Midlands",
    "6": "East of England",
    "7": "South West",
    "8": "South Central",
    "9": "London",
    "10": "South East Coast",
    "11": "Northern Ireland",
    "12": "Scotland",
    "13": "Wales",
}
"""CPRD GOLD's look-up of regions (PRG)."""


def draw(
    table: pl.DataFrame, reference: str, tasks: list[Task], database: str | None = None
) -> Figure:
    """Return one panel per metric, one line per group and one mark per task, with 95 % intervals.

    Args:
        table: table *subgroups*.
        reference: the model that is drawn.
        tasks: in the order of the marks.
        database: whose codes the regions have. Those of "gold" are named, others stay codes.
    """
    regions = _REGIONS if database == "gold" else {}
    one = table.filter(pl.col("model") == reference)
    names = [task.name for task in tasks]
    lines = _lines(one, regions)
    height = 0.235 * len(lines) + 0.75
    figure = new_figure(8.6, height)
    grid = figure.subplots(1, len(METRICS), sharey=True, squeeze=False)
    places = -np.arange(len(lines))
    marks = series_marks(names)
    for axes, metric in zip(grid[0], METRICS, strict=True):
        _panel(cast(Axes, axes), one.filter(pl.col("metric") == metric), lines, names)
        axes.set_title(wrapped(METRIC_TITLES.get(metric, metric), 24))
    first = cast(Axes, grid[0, 0])
    first.set_yticks(places, [shortened(text, 36) for _, _, text in lines])
    for label, (_, group, _) in zip(first.get_yticklabels(), lines, strict=True):
        if group is None:
            label.set_fontweight("bold")
    first.set_ylim(places[-1] - 0.7, 0.7)
    figure.subplots_adjust(
        left=0.24, right=0.98, top=1 - 0.45 / height, bottom=0.3 / height, wspace=0.1
    )
    handles = [
        Line2D(
            [],
            [],
            color=marks[task.name].colour,
            marker=marks[task.name].marker,
            ms=4,
            lw=1,
            ls=marks[task.name].line,
            label=task.title,
        )
        for task in tasks
    ]
    note = (
        f"{reference}, held-out patients, {facts(table)}. Groups that are too small are hidden. "
        "For practices, the line is the range of differences by chance only."
    )
    write_below(figure, handles, note)
    return figure


def _lines(table: pl.DataFrame, regions: dict[str, str]) -> list[tuple[str, str | None, str]]:
    """Return subgroup, group (None for a heading) and text of every line."""
    lines: list[tuple[str, str | None, str]] = []
    for subgroup in SUBGROUPS:
        some = table.filter(pl.col("subgroup") == subgroup)
        if some.is_empty():
            continue
        lines.append((subgroup, None, _HEADINGS[subgroup]))
        name = "statistic" if subgroup == "practice" else "group"
        names = regions if subgroup == "region" else {}
        groups = some[name].cast(pl.String).unique(maintain_order=True)
        lines += [(subgroup, group, names.get(group, group)) for group in groups]
    return lines


def _panel(
    axes: Axes, table: pl.DataFrame, lines: list[tuple[str, str | None, str]], tasks: list[str]
) -> None:
    axes.grid(True, axis="x", color=FAINT)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if table["metric"].first() == "observed / expected":
        axes.axvline(1, color=QUIET, lw=0.8, ls=(0, (4, 3)), zorder=1)
    marks = series_marks(tasks)
    found = {
        (task, subgroup, statistic if subgroup == "practice" else group): numbers
        for task, subgroup, group, statistic, *numbers in table.select(
            "task", "subgroup", "group", "statistic", "value", "low", "high"
        ).iter_rows()
    }
    if table["value"].null_count() == len(table):
        note_too_few(axes)
    step = 0.62 / max(len(tasks), 1)
    for i, task in enumerate(tasks):
        for place, (subgroup, group, _) in enumerate(lines):
            value, low, high = found.get((task, subgroup, group), (None, None, None))
            y = -place + ((len(tasks) - 1) / 2 - i) * step
            if value is None:
                continue
            if low is not None and high is not None:
                axes.plot([low, high], [y, y], color=marks[task].colour, ls=marks[task].line, lw=1)
            axes.plot(
                [value],
                [y],
                marks[task].marker,
                color=marks[task].colour,
                ms=3.8,
                mec="white",
                mew=0.4,
            )
