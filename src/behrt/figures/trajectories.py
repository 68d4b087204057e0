"""Cumulative incidence of events by sampled futures and by the simulated process."""

from typing import cast

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from behrt.figures.labels import wrapped
from behrt.figures.style import FAINT, PALETTE, QUIET, new_figure

_COLUMNS = 4
_LEAST = 0.004
_SERIES = (("predicted", PALETTE[0], "-"), ("truth", PALETTE[1], (0, (4, 1.5))))


def draw(trajectories: pl.DataFrame) -> Figure:
    """Return one panel per event, with 95 % intervals; the last shows groups of patients.

    Args:
        trajectories: the table of this name.
    """
    everybody = trajectories.filter(group="all")
    events = everybody["event"].unique(maintain_order=True).to_list()
    rows = -(-(len(events) + 1) // _COLUMNS)
    titles = [wrapped(event.replace("_", ": ")) for event in events]
    lines = max(title.count("\n") for title in titles)
    figure = new_figure(2.0 * _COLUMNS, (1.95 + 0.12 * lines) * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    panels = [cast(Axes, axes) for axes in grid.ravel()]
    for axes, event, title in zip(panels, events, titles, strict=False):
        _curves(axes, everybody.filter(event=event))
        axes.set_title(title, fontsize=7)
    panels[0].legend(loc="upper left")
    _groups(panels[len(events)], trajectories.filter(pl.col("group") != "all"))
    for axes in panels[len(events) + 1 :]:
        axes.set_visible(False)
    for row in range(rows):
        cast(Axes, grid[row, 0]).set_ylabel("Cumulative incidence")
    for axes in panels[max(len(events) - _COLUMNS, 0) : len(events)]:
        axes.set_xlabel("Years")
    figure.subplots_adjust(hspace=0.6 + 0.12 * lines, wspace=0.42)
    return figure


def _percent(axes: Axes, *names: str) -> None:
    for name in names:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def _curves(axes: Axes, rows: pl.DataFrame) -> None:
    years = [0.0, *rows["years"]]
    for name, colour, line in _SERIES:
        middle, low, high = ([0.0, *rows[f"{name}{end}"]] for end in ("", "_low", "_high"))
        axes.fill_between(years, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(years, middle, color=colour, ls=line, label=name)
    axes.set(xlim=(0, max(years)), xticks=[0, max(years) / 2, max(years)])
    axes.set_ylim(bottom=0)
    axes.grid(True, color=FAINT)
    if rows["event"][0] != "New diseases (number)":
        _percent(axes, "y")


def _groups(axes: Axes, rows: pl.DataFrame) -> None:
    """Draw the truth against the prediction of each group of patients, of every event."""
    shown = rows.filter(pl.col("event") != "New diseases (number)").drop_nulls(["truth_low"])
    predicted, truth, low, high = (
        shown[name].to_numpy() for name in ("predicted", "truth", "truth_low", "truth_high")
    )
    axes.plot([_LEAST, 1], [_LEAST, 1], color=QUIET, lw=0.8, ls=(0, (4, 3)), zorder=1)
    axes.errorbar(
        predicted,
        truth,
        yerr=np.stack([truth - low, high - truth]),
        fmt="o",
        ms=2.5,
        lw=0.7,
        color=PALETTE[2],
    )
    axes.set(xscale="log", yscale="log", xlim=(_LEAST, 1), ylim=(_LEAST, 1))
    axes.set(xlabel="Predicted after ten years", ylabel="Truth")
    axes.set_title(wrapped("Fifths of the patients, all events"), fontsize=7)
    axes.grid(True, color=FAINT)
    _percent(axes, "x", "y")
