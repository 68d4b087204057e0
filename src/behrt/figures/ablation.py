"""Effect of every combination of age, segment and position embeddings (Table S8)."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS, EMBEDDINGS
from behrt.figures.style import FAINT, INK, PALETTE, QUIET, new_figure

_PANELS = (
    ("all", "APS"),
    ("all", "AUROC"),
    ("first_incidence", "APS"),
    ("first_incidence", "AUROC"),
)
_TITLES = {"all": "all labels", "first_incidence": "first incidence"}
_SCORES = ("value", "difference", "difference_low", "difference_high")
_HEIGHT = 3.0
"""Inches per task and model."""


def draw(table: pl.DataFrame) -> Figure:
    """Return one row of panels per task and model: paired differences from all embeddings.

    The dots on the left show which embeddings are on. A panel's title has the score of all three.

    Args:
        table: table *ablation*. A score that is not shown leaves its place empty.
    """
    table = table.cast(dict.fromkeys(_SCORES, pl.Float64))
    groups = table.select("task", "model").unique(maintain_order=True).rows()
    figure = new_figure(9, _HEIGHT * max(len(groups), 1))
    height = 1 / max(len(groups), 1)
    for i, (task, model) in enumerate(groups):
        bottom = 1 - (i + 1) * height + 0.19 * height
        switches = figure.add_axes((0.02, bottom, 0.13, 0.54 * height))
        _draw_switches(switches)
        heading = f"{task}, {model}"
        figure.text(0.02, 1 - (i + 0.02) * height, heading, va="top", size=9, weight="bold")
        of_group = table.filter(task=task, model=model)
        for column, (label_set, metric) in enumerate(_PANELS):
            axes = figure.add_axes((0.18 + 0.21 * column, bottom, 0.185, 0.54 * height))
            rows = of_group.filter(label_set=label_set, metric=metric)
            by_name = {row["embeddings"]: row for row in rows.iter_rows(named=True)}
            _draw_differences(axes, by_name)
            full = by_name.get(ALL_EMBEDDINGS, {}).get("value")
            score = "not shown" if full is None else f"{full:.3f}"
            axes.set_title(f"{metric}, {_TITLES[label_set]}\nall three: {score}", fontsize=8)
            axes.set_xlabel("Difference (percentage points)")
    return figure


def _rows(axes: Axes) -> None:
    axes.set(ylim=(len(COMBINATIONS) - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)


def _draw_switches(axes: Axes) -> None:
    _rows(axes)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.5, len(EMBEDDINGS) - 0.5)
    axes.set_xticks(range(len(EMBEDDINGS)), [name.capitalize() for name in EMBEDDINGS])
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False, labelsize=6, pad=0)
    for row, name in enumerate(COMBINATIONS):
        for column, embedding in enumerate(EMBEDDINGS):
            on = embedding in name.split("_")
            axes.plot(column, row, "o", color=INK if on else FAINT, markersize=6)


def _draw_differences(axes: Axes, rows: dict[str, dict[str, float | None]]) -> None:
    _rows(axes)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    axes.axvline(0, color=QUIET, linewidth=0.8, zorder=1)
    for place, name in enumerate(COMBINATIONS):
        row = rows.get(name, {})
        if name == ALL_EMBEDDINGS and row.get("value") is not None:
            axes.plot(0, place, "o", color=PALETTE[1], markersize=5)
        difference, low, high = (row.get(key) for key in _SCORES[1:])
        if difference is None:
            continue
        if low is not None and high is not None:
            axes.hlines(place, 100 * low, 100 * high, color=PALETTE[0], linewidth=1.2)
        axes.plot(100 * difference, place, "o", color=PALETTE[0], markersize=4.5)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=5)
