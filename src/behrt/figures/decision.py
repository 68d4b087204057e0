"""Decision curves: the net benefit of treatment by recalibrated risks."""

import math
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from behrt.evaluation.decision import ALL_DISEASES, EVERYBODY, RECALIBRATED
from behrt.figures.labels import wrapped
from behrt.figures.models import colours, facts, models_of, note_too_few
from behrt.figures.style import FAINT, QUIET, new_figure
from behrt.tasks import Task

_COLUMNS = 3


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
    colour = colours(models)
    figure = new_figure(8.6, 2.35 * rows + 0.7)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    places = [*range(len(tasks)), *range(len(tasks) + gap, len(panels) + gap)]
    for axes in grid.ravel():
        cast(Axes, axes).set_axis_off()
    for place, (each, disease) in zip(places, panels, strict=True):
        axes = cast(Axes, grid.ravel()[place])
        axes.set_axis_on()
        _panel(axes, table.filter(task=each.name, disease=disease), colour, reference)
        title = each.title if disease == ALL_DISEASES else wrapped(disease, 34)
        axes.set_title(title, fontsize=8)
        if place % _COLUMNS == 0:
            eligible = "" if each.labelled else ", all"
            of = "all diseases" if disease == ALL_DISEASES else f"{each.key}{eligible}"
            axes.set_ylabel(f"Net benefit per 100 patients\n({of})")
        if place >= len(panels) + gap - _COLUMNS:
            axes.set_xlabel("Threshold probability")
    handles = [
        Line2D([], [], color=colour[model], lw=2.0 if model == reference else 1.1, label=model)
        for model in models
    ]
    handles.append(Line2D([], [], color=QUIET, lw=1, ls=(0, (1, 1.5)), label="treat all"))
    handles.append(Line2D([], [], color=QUIET, lw=0.8, label="treat none"))
    height = 2.35 * rows + 0.7
    figure.subplots_adjust(
        left=0.09, right=0.98, top=1 - 0.25 / height, bottom=0.95 / height, hspace=0.42, wspace=0.24
    )
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.06, 0.5 / height), ncols=8)
    figure.text(0.07, 0.02 / height, _note(table, task), fontsize=7, color=QUIET)
    return figure


def _panel(axes: Axes, table: pl.DataFrame, colour: dict[str, str], reference: str) -> None:
    axes.axhline(0, color=QUIET, lw=0.8, zorder=1)
    axes.grid(True, color=FAINT)
    axes.set_axisbelow(True)
    shown = table.drop_nulls(["value"])
    everybody = shown.filter(pl.col("strategy") == EVERYBODY).unique("threshold").sort("threshold")
    axes.plot(everybody["threshold"], 100 * everybody["value"], color=QUIET, lw=1, ls=(0, (1, 1.5)))
    curves = shown.filter(pl.col("strategy") == RECALIBRATED)
    for model, line in colour.items():
        curve = curves.filter(pl.col("model") == model)
        strong = model == reference
        axes.plot(
            curve["threshold"],
            100 * curve["value"],
            color=line,
            lw=2.0 if strong else 1.1,
            zorder=4 if strong else 3,
        )
        if strong:
            sure = curve.drop_nulls(["low", "high"])
            axes.fill_between(
                sure["threshold"],
                100 * sure["low"],
                100 * sure["high"],
                color=line,
                alpha=0.18,
                lw=0,
            )
    if curves.is_empty():
        note_too_few(axes)
    highest = 100 * max(cast(float, curves["value"].max() or 0.0), 1e-6)
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
