"""The ablation: what each combination of age, segment and position is worth (Table S8, drawn)."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behrt.ablation import COMBINATIONS, EMBEDDINGS
from behrt.figures.style import FAINT, INK, PALETTE, QUIET, new_figure

_PANELS = (
    ("all", "APS"),
    ("all", "AUROC"),
    ("first_incidence", "APS"),
    ("first_incidence", "AUROC"),
)
_TITLES = {"all": "all labels", "first_incidence": "first incidence"}
_HEIGHT = 2.6
"""Inches a task and model."""


def draw(table: pl.DataFrame) -> Figure:
    """Return one row of panels a task and model, with intervals; the full model's is a band.

    The dots on the left say which embeddings are on.

    Args:
        table: table *ablation*. A score that is not shown leaves its place empty.
    """
    scores = ["value", "low", "high"]
    table = table.cast(dict.fromkeys(scores, pl.Float64))
    groups = table.select("task", "model").unique(maintain_order=True).rows()
    figure = new_figure(9, _HEIGHT * max(len(groups), 1))
    for i, (task, model) in enumerate(groups):
        bottom, height = 1 - (i + 1) / len(groups), 1 / len(groups)
        switches = figure.add_axes((0.02, bottom + 0.2 * height, 0.11, 0.62 * height))
        _draw_switches(switches)
        switches.set_title(f"{task}, {model}", loc="left", pad=14)
        of_group = table.filter(task=task, model=model)
        for column, (label_set, metric) in enumerate(_PANELS):
            axes = figure.add_axes(
                (0.15 + 0.215 * column, bottom + 0.2 * height, 0.195, 0.62 * height)
            )
            rows = of_group.filter(label_set=label_set, metric=metric)
            _draw_scores(axes, {row["embeddings"]: row for row in rows.iter_rows(named=True)})
            axes.set_title(f"{metric}, {_TITLES[label_set]}")
    return figure


def _rows(axes: Axes) -> None:
    axes.set(ylim=(len(COMBINATIONS) - 0.5, -0.5), yticks=[])
    for side in ("left", "top"):
        axes.spines[side].set_visible(False)


def _draw_switches(axes: Axes) -> None:
    _rows(axes)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.5, len(EMBEDDINGS) - 0.5)
    axes.set_xticks(range(len(EMBEDDINGS)), [name.capitalize() for name in EMBEDDINGS])
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False, pad=-1)
    for row, name in enumerate(COMBINATIONS):
        for column, embedding in enumerate(EMBEDDINGS):
            on = embedding in name.split("_")
            axes.plot(column, row, "o", color=INK if on else FAINT, markersize=6)


def _draw_scores(axes: Axes, rows: dict[str, dict[str, float | None]]) -> None:
    _rows(axes)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    for place, name in enumerate(COMBINATIONS):
        row = rows.get(name, {})
        value, low, high = (row.get(key) for key in ("value", "low", "high"))
        if value is None:
            continue
        full = place == len(COMBINATIONS) - 1
        colour = PALETTE[1] if full else PALETTE[0]
        if full:
            axes.axvline(value, color=QUIET, linewidth=0.7, zorder=1)
        if low is not None and high is not None:
            axes.hlines(place, low, high, color=colour, linewidth=1.2)
        axes.plot(value, place, "o", color=colour, markersize=4.5)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)
