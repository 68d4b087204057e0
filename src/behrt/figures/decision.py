"""Decision curves: the net benefit of acting on recalibrated risks."""

import math
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from behrt.evaluation.assessment_tables import ALL_DISEASES
from behrt.evaluation.decision import EVERYBODY, RECALIBRATED
from behrt.figures.labels import wrapped
from behrt.figures.models import TASKS, colours, facts, models_of, tasks_of
from behrt.figures.style import FAINT, QUIET, new_figure

_COLUMNS = 3


def draw(table: pl.DataFrame, reference: str) -> Figure:
    """Return a panel a task over all diseases, then one for each disease that has curves.

    The diseases' panels are of the second task of the table (T2; T3_all in the table of all
    eligible patients has the same).

    Args:
        table: table *decision*.
        reference: the model that is drawn strongest, with its 95 % interval.
    """
    tasks, models = tasks_of(table), models_of(table)
    chosen = "T2" if "T2" in tasks else tasks[0]
    diseases = (
        table.filter((pl.col("task") == chosen) & (pl.col("disease") != ALL_DISEASES))["disease"]
        .unique(maintain_order=True)
        .to_list()
    )
    panels = [(task, ALL_DISEASES) for task in tasks] + [(chosen, name) for name in diseases]
    gap = -len(tasks) % _COLUMNS  # the diseases begin a row
    rows = math.ceil((len(panels) + gap) / _COLUMNS)
    colour = colours(models)
    figure = new_figure(8.6, 2.35 * rows + 0.7)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    places = [*range(len(tasks)), *range(len(tasks) + gap, len(panels) + gap)]
    for axes in grid.ravel():
        cast(Axes, axes).set_axis_off()
    for place, (task, disease) in zip(places, panels, strict=True):
        axes = cast(Axes, grid.ravel()[place])
        axes.set_axis_on()
        some = table.filter((pl.col("task") == task) & (pl.col("disease") == disease))
        _panel(axes, some, colour, reference)
        title = TASKS.get(task, task) if disease == ALL_DISEASES else wrapped(disease, 34)
        axes.set_title(title, fontsize=8)
        if place % _COLUMNS == 0:
            of = "all diseases" if disease == ALL_DISEASES else task.replace("_all", ", all")
            axes.set_ylabel(f"Net benefit per 100 patients\n({of})")
        if place >= len(panels) + gap - _COLUMNS:
            axes.set_xlabel("Risk from which one acts")
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
    figure.text(0.07, 0.02 / height, _note(table, chosen), fontsize=7, color=QUIET)
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
    highest = 100 * max(cast(float, curves["value"].max() or 0.0), 1e-6)
    axes.set(xlim=(0, 0.5), ylim=(-0.12 * highest, 1.12 * highest))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _note(table: pl.DataFrame, chosen: str) -> str:
    told = table.filter(pl.col("disease") == ALL_DISEASES).drop_nulls("patients")
    counted = told.unique("task", keep="first", maintain_order=True)
    parts = [
        f"{task}: {n:,} patients" for task, n in counted.select("task", "patients").iter_rows()
    ]
    support = "; ".join([*parts, facts(table)])
    return (
        f"Held out, recalibrated. {support}.\nBelow: the diseases most common in the labels of the "
        f"tuning patients of {chosen}."
    )
