"""Decision curves: the net benefit of treatment by recalibrated risks."""

import math
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from behrt.evaluation.decision import ALL_DISEASES, EVERYBODY, RECALIBRATED
from behrt.figures.below import write_below
from behrt.figures.labels import wrapped
from behrt.figures.models import (
    facts,
    markers_on,
    model_handles,
    model_marks,
    models_of,
    note_too_few,
)
from behrt.figures.style import FAINT, QUIET, Line, Mark, new_figure
from behrt.tasks import Task

_COLUMNS = 3
_TREAT_ALL: Line = (0, (1, 2.5))
_TREAT_NONE: Line = (0, (10, 3))


def draw(table: pl.DataFrame, reference: str, tasks: list[Task], task: Task) -> Figure:
    """Return one panel per task over all diseases, then one per disease that has curves.

    Args:
        table: table *decision*.
        reference: the model that is emphasised, with its 95 % interval.
        tasks: in the order of the panels.
        task: the one of the diseases' panels.
    """
    models = models_of(table)
    diseases = (
        table.filter(pl.col("disease") != ALL_DISEASES, task=task.name)["disease"]
        .unique(maintain_order=True)
        .to_list()
    )
    panels = [(each, ALL_DISEASES) for each in tasks] + [(task, name) for name in diseases]
    gap = -len(tasks) % _COLUMNS  # the panels of diseases start a new row
    rows = math.ceil((len(panels) + gap) / _COLUMNS)
    marks = model_marks(models)
    figure = new_figure(8.6, 2.35 * rows + 0.3)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    places = [*range(len(tasks)), *range(len(tasks) + gap, len(panels) + gap)]
    for axes in grid.ravel():
        cast(Axes, axes).set_axis_off()
    for place, (each, disease) in zip(places, panels, strict=True):
        axes = cast(Axes, grid.ravel()[place])
        axes.set_axis_on()
        draw_panel(axes, table.filter(task=each.name, disease=disease), marks, reference)
        title = wrapped(each.title if disease == ALL_DISEASES else disease, 36)
        axes.set_title(title, fontsize=8)
        if place % _COLUMNS == 0:
            eligible = "" if each.labelled else ", all"
            of = "all diseases" if disease == ALL_DISEASES else f"{each.key}{eligible}"
            axes.set_ylabel(f"Net benefit per 100 patients\n({of})")
        if place >= len(panels) + gap - _COLUMNS:
            axes.set_xlabel("Threshold probability")
    handles = decision_handles(marks, reference)
    height = 2.35 * rows + 0.3
    figure.subplots_adjust(
        left=0.09, right=0.98, top=1 - 0.25 / height, bottom=0.45 / height, hspace=0.48, wspace=0.24
    )
    write_below(figure, handles, _note(table, task), left=0.06)
    return figure


def decision_handles(marks: dict[str, Mark], reference: str) -> list[Line2D]:
    """Return the legend's handles of the models, and of treating all and none."""
    handles = model_handles(marks, lambda model: _width(model == reference))
    handles.append(Line2D([], [], color=QUIET, lw=1, ls=_TREAT_ALL, label="treat all"))
    handles.append(Line2D([], [], color=QUIET, lw=0.8, ls=_TREAT_NONE, label="treat none"))
    return handles


def _width(strong: bool) -> float:
    return 2.0 if strong else 1.1


def draw_panel(axes: Axes, table: pl.DataFrame, marks: dict[str, Mark], reference: str) -> None:
    """Draw the decision curves of recalibrated risks, and the interval of the reference."""
    axes.axhline(0, color=QUIET, lw=0.8, ls=_TREAT_NONE, zorder=1)
    axes.grid(True, color=FAINT)
    axes.set_axisbelow(True)
    shown = table.drop_nulls(["value"])
    everybody = shown.filter(pl.col("strategy") == EVERYBODY).unique("threshold").sort("threshold")
    axes.plot(everybody["threshold"], 100 * everybody["value"], color=QUIET, lw=1, ls=_TREAT_ALL)
    curves = shown.filter(pl.col("strategy") == RECALIBRATED)
    for i, (model, mark) in enumerate(marks.items()):
        curve = curves.filter(pl.col("model") == model)
        strong = model == reference
        axes.plot(
            curve["threshold"],
            100 * curve["value"],
            color=mark.colour,
            marker=mark.marker,
            markevery=markers_on(len(curve), i / len(marks)),
            ms=3.5,
            ls=mark.line,
            lw=_width(strong),
            zorder=4 if strong else 3,
        )
        if strong:
            sure = curve.drop_nulls(["low", "high"])
            axes.fill_between(
                sure["threshold"],
                100 * sure["low"],
                100 * sure["high"],
                color=mark.colour,
                alpha=0.18,
                lw=0,
            )
    highest = 100 * max(cast(float, curves["value"].max() or 0.0), 1e-6)
    if curves.is_empty():
        note_too_few(axes)
        highest = 1.0
        axes.set_yticks([])
    axes.set(xlim=(0, 0.5), ylim=(-0.12 * highest, 1.12 * highest))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _note(table: pl.DataFrame, task: Task) -> str:
    shown = table.filter(pl.col("disease") == ALL_DISEASES).drop_nulls("patients")
    counted = shown.unique("task", keep="first", maintain_order=True)
    parts = [
        f"{name}: {n:,} patients" for name, n in counted.select("task", "patients").iter_rows()
    ]
    support = "; ".join([*parts, facts(table)])
    return (
        f"Held out, recalibrated. {support}.\nBelow: the diseases most common in the labels of the "
        f"tuning patients of {task.name}."
    )
