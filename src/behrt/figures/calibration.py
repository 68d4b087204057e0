"""Reliability plots: the observed share against the predicted risk."""

from collections.abc import Mapping
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from behrt.figures.below import write_below
from behrt.figures.labels import wrapped
from behrt.figures.models import (
    broken,
    facts,
    markers_on,
    model_handles,
    model_marks,
    models_of,
    note_too_few,
)
from behrt.figures.style import FAINT, INK, QUIET, Mark, new_figure
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
    marks = model_marks(models)
    height = 5.75
    figure = new_figure(2.7 * len(tasks) + 0.5, height)
    grid = figure.subplots(2, len(tasks), sharex=True, sharey=True, squeeze=False)
    for row, risks in enumerate(_ROWS):
        for column, task in enumerate(tasks):
            axes = cast(Axes, grid[row, column])
            draw_panel(axes, points.filter(task=task.name, risks=risks), marks, reference)
            own = measures.filter(task=task.name, risks=risks, model=reference)
            write_measures(axes, own, reference)
            if row == 0:
                axes.set_title(wrapped(task.title, 30))
            else:
                axes.set_xlabel("Predicted risk")
        cast(Axes, grid[row, 0]).set_ylabel(f"Observed share, {risks}")
    handles = model_handles(marks, lambda model: line_width(model == reference))
    left = 0.75 / (2.7 * len(tasks) + 0.5)
    figure.subplots_adjust(
        left=left, right=0.98, top=1 - 0.3 / height, bottom=0.45 / height, hspace=0.08, wspace=0.08
    )
    write_below(figure, handles, _support(measures), left)
    return figure


def line_width(strong: bool) -> float:
    """Return the width of a curve in points."""
    return 2.0 if strong else 1.2


def draw_panel(axes: Axes, points: pl.DataFrame, marks: dict[str, Mark], reference: str) -> None:
    """Draw the curves of all models, and the groups of the reference."""
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
    for i, (model, mark) in enumerate(marks.items()):
        curve = shown.filter((pl.col("model") == model) & (pl.col("kind") == "curve"))
        strong = model == reference
        axes.plot(
            curve["predicted"],
            curve["observed"],
            color=mark.colour,
            marker="" if strong else mark.marker,
            markevery=markers_on(len(curve), i / len(marks)),
            ms=3.5,
            ls=mark.line,
            lw=line_width(strong),
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
            fmt=marks[reference].marker,
            ms=4,
            lw=1,
            color=marks[reference].colour,
            mec="white",
            mew=0.5,
            zorder=5,
        )


SHOWN = {"slope": ".2f", "observed / expected": ".2f", "ICI": ".2%"}
"""Measures in a panel, and their formats."""


def write_measures(
    axes: Axes, measures: pl.DataFrame, reference: str, shown: Mapping[str, str] = SHOWN
) -> None:
    """Write measures of the reference (measure, value) into a panel."""
    values = dict(measures.select("measure", "value").iter_rows())
    lines = [broken(reference, 28)]
    for name, form in shown.items():
        value = values.get(name)
        lines.append(f"{name} " + ("not shown" if value is None else format(value, form)))
    axes.text(
        0.03,
        0.97,
        "\n".join(lines),
        transform=axes.transAxes,
        va="top",
        fontsize=7,
        color=INK,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
        zorder=6,
    )


def _support(measures: pl.DataFrame) -> str:
    counted = measures.drop_nulls("patients").unique("task", maintain_order=True, keep="first")
    parts = [
        f"{task}: {patients:,} patients, {positives:,} labels"
        for task, patients, positives in counted.select("task", "patients", "positives").iter_rows()
    ]
    return "Held out. " + "; ".join([*parts, facts(measures)]) + "."
