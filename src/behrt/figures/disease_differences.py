"""Each disease's APS by one model minus that by every other model, one column per model."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from behrt.figures.below import write_below
from behrt.figures.labels import shortened
from behrt.figures.models import broken, held_out, note_too_few
from behrt.figures.style import FAINT, PALETTE, QUIET, new_figure

LEVEL = 0.05
"""False discovery rate below which a difference is coloured."""

_BETTER, _WORSE = PALETTE[0], PALETTE[1]
_KINDS = {
    "better": (_BETTER, _BETTER, "^"),
    "worse": (_WORSE, _WORSE, "v"),
    "neither": (QUIET, "white", "o"),
}
"""The colour of lines and of marks, and the marker, by what is found."""
_LINE = 0.135
"""Inches per disease."""
_COLUMN = 1.1
"""Least inches per model."""


def draw(table: pl.DataFrame, reference: str) -> Figure:
    """Return one line per disease, in order of the mean difference.

    Args:
        table: table *disease_differences*. A disease without a difference is left out.
        reference: the model whose differences from all others are drawn.
    """
    numbers = ["difference", "difference_low", "difference_high", "p_benjamini_hochberg"]
    chosen = table.filter(pl.col("metric") == "APS", pl.col("model") == reference)
    shown = chosen.cast(dict.fromkeys(numbers, pl.Float64)).drop_nulls("difference")
    others = chosen["other"].unique(maintain_order=True).to_list()
    order = (
        shown.group_by("disease")
        .agg(pl.col("difference").mean())
        .sort("difference", "disease")["disease"]
        .to_list()
    )
    height = max(len(order), 6) * _LINE
    figure = new_figure(max(8, 2.2 + _COLUMN * len(others)), height + 0.8)
    grid = figure.subplots(1, max(len(others), 1), sharex=True, squeeze=False)[0]
    bottom, top = 0.45 / (height + 0.8), 1 - 0.35 / (height + 0.8)
    figure.subplots_adjust(left=0.24, right=0.99, bottom=bottom, top=top, wspace=0.08)
    for axes, other in zip(grid, others, strict=False):
        _column(axes, shown.filter(pl.col("other") == other), order)
        axes.set_title(broken(f"− {other}", 15), fontsize=7.5)
    for axes in grid:
        axes.set_yticks([])  # ticks take most of the time of drawing
        axes.set_ylim(-0.8, max(len(order), 1) - 0.2)
        if shown.is_empty():
            note_too_few(axes)
    grid[0].set_yticks(range(len(order)), [shortened(name, 36) for name in order], fontsize=6)
    grid[0].tick_params(axis="y", length=0)
    figure.supxlabel(
        f"Average precision score (APS) of {reference} minus that of the other model",
        fontsize=8,
        y=0.03 / (height + 0.8),
        va="bottom",
    )
    write_below(figure, _handles(), _note(chosen, len(order)), left=0.01)
    return figure


def _column(axes: Axes, table: pl.DataFrame, order: list[str]) -> None:
    axes.axvline(0, color=QUIET, linewidth=0.7, zorder=1)
    place = {disease: i for i, disease in enumerate(order)}
    found = (pl.col("p_benjamini_hochberg") < LEVEL).fill_null(False)
    better = pl.col("difference") > 0
    kinds = table.with_columns(
        y=pl.col("disease").replace_strict(place, return_dtype=pl.Int64),
        kind=pl.when(~found)
        .then(pl.lit("neither"))
        .when(better)
        .then(pl.lit("better"))
        .otherwise(pl.lit("worse")),
    )
    # One artist for all diseases of a kind is drawn much faster than one for each.
    for kind, (colour, filled, marker) in _KINDS.items():
        rows = kinds.filter(pl.col("kind") == kind)
        ends = rows.drop_nulls("difference_low")
        axes.hlines(
            ends["y"],
            ends["difference_low"],
            ends["difference_high"],
            color=colour,
            linewidth=0.9,
            alpha=0.8,
            zorder=2,
            capstyle="projecting",
        )
        x, y = rows["difference"], rows["y"]
        axes.plot(x, y, marker, ms=3, mec=colour, mfc=filled, mew=0.8, zorder=3)
    axes.hlines(
        range(len(order)),
        0,
        1,
        transform=axes.get_yaxis_transform(),
        color=FAINT,
        linewidth=0.3,
        zorder=0.5,
    )


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=colour, marker=marker, ms=3.5, mfc=filled, linewidth=0.9, label=name)
        for name, (colour, filled, marker) in _KINDS.items()
    ]


def _note(table: pl.DataFrame, shown: int) -> str:
    """Return one line about the patients and the diseases."""
    if table.is_empty():
        return "No disease is common enough."
    row = table.row(0, named=True)
    left_out = table["disease"].n_unique() - shown
    parts = [
        f"{row['task']}, {row['protocol']} protocol; {held_out(row['patients'])}; "
        f"{shown} diseases; false discovery rate {LEVEL:g}"
    ]
    if left_out:
        parts.append(f"{left_out} more without a difference to show")
    return "; ".join(parts)
