"""Training curves: losses and tuning score of every model, epoch by epoch."""

from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from behrt.figures.below import write_below
from behrt.figures.labels import wrapped
from behrt.figures.models import COURSE_TITLES, facts, model_marks, models_of, note_too_few
from behrt.figures.style import INK, Mark, new_figure
from behrt.tables.training import PRETRAINING
from behrt.tasks import Task

_MLM = "mlm"
_PANEL = (2.3, 1.9)
"""Inches."""


def draw(table: pl.DataFrame, tasks: list[Task]) -> Figure:
    """Return one column for the pretraining and for each task: losses and score by epoch.

    The chosen epoch of each model has a ring.

    Args:
        table: table *training*.
        tasks: in the order of the columns.
    """
    table = table.cast(dict.fromkeys(COURSE_TITLES, pl.Float64))
    titles = {PRETRAINING: "Pretraining"} | {task.name: task.title for task in tasks}
    tuned = [model for model in models_of(table) if model != _MLM]
    marks = {_MLM: Mark(INK, "o")} | model_marks(tuned)
    width, height = _PANEL[0] * len(titles) + 0.5, _PANEL[1] * len(COURSE_TITLES) + 0.6
    figure = new_figure(width, height)
    grid = figure.subplots(len(COURSE_TITLES), len(titles), squeeze=False, sharex="col")
    figure.subplots_adjust(
        left=0.75 / width,
        right=0.99,
        top=1 - 0.4 / height,
        bottom=0.45 / height,
        hspace=0.15,
        wspace=0.32,
    )
    for column, (task, title) in enumerate(titles.items()):
        for row, score in enumerate(COURSE_TITLES):
            axes = cast(Axes, grid[row, column])
            if task == PRETRAINING and score == "tuning_aps":
                axes.set_axis_off()
                cast(Axes, grid[row - 1, 0]).tick_params(labelbottom=True)
                cast(Axes, grid[row - 1, 0]).set_xlabel("Epoch")
                continue
            _panel(axes, table.filter(task=task).drop_nulls(score), score, marks)
            if row == 0:
                axes.set_title(wrapped(title, 24))
            if row == len(COURSE_TITLES) - 1:
                axes.set_xlabel("Epoch")
            if column == (score == "tuning_aps"):
                axes.set_ylabel(COURSE_TITLES[score])
    handles = [
        Line2D([], [], color=mark.colour, marker=mark.marker, ms=4, ls=mark.line, label=model)
        for model, mark in marks.items()
    ]
    handles.append(
        Line2D([], [], ls="none", marker="o", ms=9, mfc="none", mec=INK, label="chosen epoch")
    )
    write_below(figure, handles, f"{facts(table)}; means over patients", left=0.02)
    return figure


def _panel(axes: Axes, table: pl.DataFrame, score: str, marks: dict[str, Mark]) -> None:
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    for model in models_of(table):
        mark, curve = marks[model], table.filter(model=model)
        axes.plot(
            curve["epoch"],
            curve[score],
            color=mark.colour,
            marker=mark.marker,
            ms=3.5,
            ls=mark.line,
        )
        chosen = curve.filter("chosen")
        axes.plot(chosen["epoch"], chosen[score], "o", ms=9, mfc="none", mec=INK, mew=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if table.is_empty():
        note_too_few(axes)
