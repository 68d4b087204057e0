"""Figure 6: APS and AUROC of each disease; all of them (A), the best (B) and the worst (C)."""

import math
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Rectangle
from scipy.stats import rankdata

from behrt.figures.below import write_below
from behrt.figures.labels import chapter_handles, place_labels, wrapped
from behrt.figures.models import METRIC_TITLES, held_out, note_too_few
from behrt.figures.style import QUIET, Mark, chapter_marks, new_figure
from behrt.sequences.vocabulary import read_vocabulary

_SECTION = 12
"""Most diseases that a section is drawn around; half of all if there are few."""

_AREA = 1400.0
"""Square points of a mark for a prevalence of 1; the mark of a rare disease has a minimum."""
_LEAST_AREA = 7.0
_FILLED = {"o": math.pi / 4, "D": 1.0, "^": 0.5, "s": 1.0}
"""The share of matplotlib's size that each marker fills."""

_LEGEND_PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def draw(table: pl.DataFrame, vocabulary: Path) -> Figure:
    """Return the figure.

    Args:
        table: table *diseases*.
        vocabulary: chapters of all diseases.
    """
    return draw_diseases(table, read_vocabulary(vocabulary).chapters)


def draw_diseases(table: pl.DataFrame, chapters: tuple[str, ...]) -> Figure:
    """Return the three panels with their legends.

    The best and the worst diseases are those of highest and lowest mean rank by APS and AUROC.
    B and C enlarge the regions of A with these diseases, and show all diseases there.

    Args:
        table: table *diseases*. Diseases with a null score are left out, and their number is
            written below.
        chapters: of the whole vocabulary, for the marks.
    """
    columns = ["aps", "auroc", "prevalence"]
    shown = table.cast(dict.fromkeys(columns, pl.Float64)).drop_nulls(columns)
    marks = chapter_marks(chapters)
    figure = new_figure(8, 7.8)
    whole = figure.add_axes((0.07, 0.53, 0.9, 0.44))
    best = figure.add_axes((0.07, 0.06, 0.41, 0.39))
    worst = figure.add_axes((0.56, 0.06, 0.41, 0.39))
    scores = shown.select("aps", "auroc").to_numpy()
    sizes = _sizes(shown, marks)
    radii = np.sqrt(sizes / 2)  # of a circle around a mark's corners, about
    for axes, title in ((whole, "A  All"), (best, "B  Best"), (worst, "C  Worst")):
        _scatter(axes, shown, scores, sizes, marks)
        axes.set(title=title, xlabel=METRIC_TITLES["APS"], ylabel=METRIC_TITLES["AUROC"])
        axes.locator_params(axis="x", nbins=6)
        axes.grid(True)
        axes.set_axisbelow(True)
        if shown.is_empty():
            note_too_few(axes)
    if len(shown):
        _enlarge(whole, {"B": best, "C": worst}, shown, scores, radii)
    _legends(figure, shown, marks)
    write_below(figure, note=_note(table, len(shown)), left=0.05)
    return figure


def _note(table: pl.DataFrame, shown: int) -> str:
    """Return one line about the patients and the diseases."""
    if table.is_empty():
        return "No disease is common enough."
    row = table.row(0, named=True)
    left_out = len(table) - shown
    parts = [
        f"{row['model']}, {row['task']}, {row['protocol']} protocol",
        held_out(row["patients"]),
        f"{shown} diseases",
    ]
    if left_out:
        parts.append(f"{left_out} more without a score, or with too few patients to be shown")
    return "; ".join(parts)


def _sizes(table: pl.DataFrame, marks: dict[str, Mark]) -> np.ndarray:
    """Return matplotlib's size of each mark, so that areas are proportional to prevalences."""
    filled = [_FILLED[marks[chapter].marker] for chapter in table["chapter"]]
    area = np.maximum(_AREA * table["prevalence"].to_numpy(), _LEAST_AREA)
    return np.asarray(area / np.array(filled))


def _scatter(
    axes: Axes, table: pl.DataFrame, scores: np.ndarray, sizes: np.ndarray, marks: dict[str, Mark]
) -> None:
    """Draw the marks as one artist, which takes far less time than one for each."""
    order = np.argsort(-sizes, kind="stable")  # small marks above large ones
    chosen = [marks[table["chapter"][int(i)]] for i in order]
    drawn = axes.scatter(
        scores[order, 0],
        scores[order, 1],
        s=sizes[order],
        c=[mark.colour for mark in chosen],
        alpha=0.85,
        edgecolors="white",
        linewidths=0.5,
        zorder=3,
    )
    styles = [MarkerStyle(mark.marker) for mark in chosen]
    drawn.set_paths([style.get_path().transformed(style.get_transform()) for style in styles])


def _frame(axes: Axes, scores: np.ndarray, margins: tuple[float, float]) -> None:
    """Set the limits around some scores, with room for marks and names."""
    low, high = scores.min(axis=0), scores.max(axis=0)
    room = np.maximum((high - low) * margins, 0.004)
    axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))


def _enlarge(
    whole: Axes,
    sections: dict[str, Axes],
    table: pl.DataFrame,
    scores: np.ndarray,
    radii: np.ndarray,
) -> None:
    names = [wrapped(name, 24) for name in table["disease"]]
    goodness = rankdata(scores[:, 0]) + rankdata(scores[:, 1])
    count = min(_SECTION, (len(scores) + 1) // 2)
    corners = [*scores]
    order = np.argsort(-goodness, kind="stable")
    for (letter, axes), chosen in zip(
        sections.items(), (order[:count], order[::-1][:count]), strict=True
    ):
        _frame(axes, scores[chosen], (0.22, 0.14))
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        corners += [np.array([x0, y0]), np.array([x1, y1])]
        whole.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=QUIET, lw=0.7, ls=(0, (4, 3)))
        )
        whole.annotate(
            letter, (x0, y1), (2, -2), textcoords="offset points", va="top", weight="bold"
        )
        within = np.all((scores >= [x0, y0]) & (scores <= [x1, y1]), axis=1)
        named = [*chosen, *order[within[order] & ~np.isin(order, chosen)]]
        place_labels(axes, scores, radii, np.ones(len(scores)), names, [int(i) for i in named])
    _frame(whole, np.array(corners), (0.02, 0.04))


def _legends(figure: Figure, table: pl.DataFrame, marks: dict[str, Mark]) -> None:
    present = {chapter: mark for chapter, mark in marks.items() if chapter in set(table["chapter"])}
    write_below(figure, chapter_handles(present), left=0.05, title="Chapter", alignment="left")
    largest = max(table["prevalence"].to_list(), default=0)
    circles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markersize=math.sqrt(_AREA * share / _FILLED["o"]),
            markerfacecolor="none",
            markeredgecolor=QUIET,
            label=f"{share:.0%}",
        )
        for share in _LEGEND_PREVALENCES
        if share <= largest * 1.5
    ]
    write_below(
        figure,
        circles,
        left=0.05,
        title="Patients with the disease in their label",
        alignment="left",
        columnspacing=2.2,
        handletextpad=1.2,
        handleheight=3.2,
    )
