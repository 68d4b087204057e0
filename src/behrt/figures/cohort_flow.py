"""Figure 1: the patients left after each step of the cohort, as a flow chart."""

import textwrap

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from behrt.figures.style import INK, PALETTE, QUIET, new_figure

_STEP_HEIGHT = 0.86
_BOX = (3.1, 0.52)
_ASIDE = (1.75, 0.36)
_WIDTH = 6.2
"""Inches."""


def draw(table: pl.DataFrame) -> Figure:
    """Return the flow chart.

    Args:
        table: name String, patients and excluded Int64 (null where not shown), in order of the
            steps.
    """
    height = len(table) * _STEP_HEIGHT
    figure = new_figure(_WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(0, height))
    axes.set_axis_off()
    centre = 0.1 + _BOX[0] / 2
    aside = _WIDTH - 0.1 - _ASIDE[0] / 2
    before: int | None = None
    for i, (name, patients, excluded) in enumerate(
        table.select("name", "patients", "excluded").iter_rows()
    ):
        y = height - (i + 0.5) * _STEP_HEIGHT
        last = i == len(table) - 1
        if i:
            top = y + _STEP_HEIGHT
            middle = (top + y) / 2
            _arrow(axes, (centre, top - _BOX[1] / 2), (centre, y + _BOX[1] / 2))
            _arrow(axes, (centre, middle), (aside - _ASIDE[0] / 2, middle))
            share = f" ({excluded / before:.1%})" if excluded is not None and before else ""
            _box(axes, aside, middle, _ASIDE, f"Excluded: {_number(excluded)}{share}", QUIET)
        _box(axes, centre, y, _BOX, name, PALETTE[0], _patients(patients), filled=last or not i)
        before = patients
    if table["patients"].null_count():
        note = (
            "Not shown: a number too small to be shown, or one from which such a number would "
            "follow."
        )
        axes.text(0.1, -0.05, "\n".join(textwrap.wrap(note, 95)), va="top", fontsize=7, color=QUIET)
    return figure


def _number(count: int | None) -> str:
    return "not shown" if count is None else f"{count:,}"


def _patients(count: int | None) -> str:
    return "number not shown" if count is None else f"{count:,} patients"


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=7, shrinkA=0, shrinkB=0, color=QUIET, lw=0.8
    )
    axes.add_patch(arrow)


def _box(
    axes: Axes,
    x: float,
    y: float,
    size: tuple[float, float],
    text: str,
    colour: str,
    strong: str = "",
    filled: bool = False,
) -> None:
    """Draw a box around (x, y) with a line of text and, below it, one in bold."""
    width, height = size
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor="#E8F1F7" if filled else "white",
        edgecolor=colour,
        linewidth=0.9,
    )
    axes.add_patch(box)
    offset = 0.11 if strong else 0
    wrapped = textwrap.fill(text, 50)
    axes.text(x, y + offset, wrapped, ha="center", va="center", fontsize=8, color=INK)
    if strong:
        axes.text(x, y - offset, strong, ha="center", va="center", fontsize=8.5, weight="bold")
