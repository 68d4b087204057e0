"""The course of the hyper-parameter searches: every trial's score, and the best so far."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from behrt.figures.below import write_below
from behrt.figures.models import COURSE_TITLES, broken
from behrt.figures.style import FAINT, INK, PALETTE, QUIET, new_figure

_PANEL = (2.6, 2.4)
"""Inches."""


def draw(searches: Sequence[pl.DataFrame]) -> Figure:
    """Return a figure with one panel per search.

    Args:
        searches: tables *search*.
    """
    figure = new_figure(_PANEL[0] * len(searches), _PANEL[1])
    panels = figure.subplots(1, len(searches), squeeze=False)[0]
    for axes, table in zip(panels, searches, strict=True):
        _panel(axes, table)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    figure.tight_layout()
    write_below(figure, handles, handletextpad=0.4)
    return figure


def _panel(axes: Axes, table: pl.DataFrame) -> None:
    score, outcome = table["score"].to_numpy(), table["outcome"].to_numpy()
    place = np.arange(1, len(score) + 1)
    given_up, chosen = outcome == "given up", outcome == "chosen"
    # The chosen trial is the best of the whole ones, so it shows whether higher is better.
    higher = score[chosen][0] >= score[~given_up].max()
    best = (np.fmax if higher else np.fmin).accumulate(np.where(given_up, np.nan, score))
    for start in np.flatnonzero(np.diff(table["round"].to_numpy())) + 1:
        axes.axvline(start + 0.5, color=FAINT, linewidth=0.6)
    axes.step(place, best, where="post", color=PALETTE[0], zorder=0, label="best so far")
    for label, shown, marker, edge, face in (
        ("whole", ~given_up & ~chosen, "o", QUIET, QUIET),
        ("given up", given_up, "o", QUIET, "white"),
        ("chosen", chosen, "D", PALETTE[1], PALETTE[1]),
    ):
        axes.scatter(
            place[shown], score[shown], s=16, marker=marker, edgecolors=edge, c=face, label=label
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(broken(f"{table['searched'][0]} ({table['task'][0]})", 28), color=INK)
    axes.set(xlabel="Trial", ylabel=COURSE_TITLES[table["metric"][0]])
