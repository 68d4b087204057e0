"""Reliability plots: the observed share against the predicted risk."""

import math
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from behrt.figures.models import colours, facts, models_of, note_too_few
from behrt.figures.style import FAINT, INK, QUIET, new_figure
from behrt.tasks import Task

_ROWS = ("as trained", "recalibrated")
_TICKS = (0.001, 0.01, 0.1, 1.0)
_LEAST = 0.0004


def draw(measures: pl.DataFrame, points: pl.DataFrame, reference: str, tasks: list[Task]) -> Figure:
    """Return one panel per task (columns), before and after recalibration (rows).

    Lines are the smooth curves of all models; marks are groups with a tenth of the reference's
    expected labels, with 95 % intervals; the text is about the reference.

    Args:
        measures: table *calibration*.
        points: table *reliability*.
        reference: the model whose groups are drawn.
        tasks: in the order of the columns.
    """
    models = models_of(points)
    colour = colours(models)
    in_a_row = 2 * len(tasks)
    below = 0.85 + 0.17 * math.ceil(len(models) / in_a_row)
    height = 5.2 + below
    figure = new_figure(2.7 * len(tasks) + 0.5, height)
    grid = figure.subplots(2, len(tasks), sharex=True, sharey=True, squeeze=False)
    for row, risks in enumerate(_ROWS):
        for column, task in enumerate(tasks):
            axes = cast(Axes, grid[row, column])
            _panel(axes, points.filter(task=task.name, risks=risks), colour, reference)
            _note(axes, measures.filter(task=task.name, risks=risks, model=reference), reference)
            if row == 0:
                axes.set_title(task.title)
            else:
                axes.set_xlabel("Predicted risk")
        cast(Axes, grid[row, 0]).set_ylabel(f"Observed share, {risks}")
    handles = [
        Line2D([], [], color=colour[model], lw=2.0 if model == reference else 1.2, label=model)
        for model in models
    ]
    left = 0.75 / (2.7 * len(tasks) + 0.5)
    figure.subplots_adjust(
        left=left, right=0.98, top=1 - 0.3 / height, bottom=below / height, hspace=0.08, wspace=0.08
    )
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left - 0.02, (below - 0.45) / height),
        ncols=in_a_row,
        columnspacing=1.4,
    )
    figure.text(left, 0.02 / height, _support(measures), fontsize=7, color=QUIET)
    return figure


def _panel(axes: Axes, points: pl.DataFrame, colour: dict[str, str], reference: str) -> None:
    axes.set(xscale="log", yscale="log", xlim=(_LEAST, 1.1), ylim=(_LEAST, 1.1))
    axes.plot([_LEAST, 1], [_LEAST, 1], color=QUIET, lw=0.8, ls=(0, (4, 3)), zorder=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(list(_TICKS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(True, color=FAINT)
    axes.set_axisbelow(True)
    shown = points.drop_nulls("observed")
    if shown.is_empty():
        note_too_few(axes)
    for model, line in colour.items():
        curve = shown.filter((pl.col("model") == model) & (pl.col("kind") == "curve"))
        strong = model == reference
        axes.plot(
            curve["predicted"],
            curve["observed"],
            color=line,
            lw=2.0 if strong else 1.2,
            zorder=4 if strong else 3,
        )
    groups = shown.filter((pl.col("model") == reference) & (pl.col("kind") == "group"))
    groups = groups.drop_nulls(["low", "high"])
    if len(groups):
        observed = groups["observed"].to_numpy()
        reach = [observed - groups["low"].to_numpy(), groups["high"].to_numpy() - observed]
        axes.errorbar(
            groups["predicted"],
            observed,
            yerr=reach,
            fmt="o",
            ms=3.6,
            lw=1,
            color=colour[reference],
            mec="white",
            mew=0.5,
            zorder=5,
        )


def _note(axes: Axes, measures: pl.DataFrame, reference: str) -> None:
    values = dict(measures.select("measure", "value").iter_rows())
    lines = [reference]
    for name, form in (("slope", ".2f"), ("observed / expected", ".2f"), ("ICI", ".2%")):
        value = values.get(name)
        lines.append(f"{name} " + ("not shown" if value is None else format(value, form)))
    axes.text(
        0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=7, color=INK
    )


def _support(measures: pl.DataFrame) -> str:
    counted = measures.drop_nulls("patients").unique("task", maintain_order=True, keep="first")
    parts = [
        f"{task}: {patients:,} patients, {positives:,} labels"
        for task, patients, positives in counted.select("task", "patients", "positives").iter_rows()
    ]
    return "Held out. " + ";\n".join([*parts, facts(measures)]) + "."
