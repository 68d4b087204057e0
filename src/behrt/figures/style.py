"""How every figure looks, and how it is written: the same bytes for the same data."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from behrt.files import atomic

mpl.use("Agg")

INK = "#222222"
QUIET = "#767676"
FAINT = "#D9D9D9"

# Okabe and Ito's colours (Color Universal Design, 2008), their yellow and black, which are too
# light and too heavy for small points, exchanged for Tol's wine and olive; then a tint of each.
_STRONG = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#882255",
    "#7A7A00",
)
_TINTS = (
    "#7FB8D8",
    "#EAAE80",
    "#7FCEB9",
    "#E5BCD3",
    "#F2CF80",
    "#ABDAF4",
    "#C391AA",
    "#BDBD80",
)
PALETTE = _STRONG + _TINTS
MARKERS = ("o", "D", "^", "s")

_STYLE: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "behrt",
}


@dataclass(frozen=True)
class Mark:
    """How a category is drawn: a colour and a marker of matplotlib's."""

    colour: str
    marker: str


def chapter_marks(chapters: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for each chapter, by its place in the sorted order of all distinct ones.

    Pass the chapters of the whole vocabulary, so that a chapter looks the same in every figure.
    Not every reader can distinguish sixteen colours, so the marker changes after each
    eight: a colour and its tint never share one.
    """
    return {
        chapter: Mark(PALETTE[i % len(PALETTE)], MARKERS[i // len(_STRONG) % len(MARKERS)])
        for i, chapter in enumerate(sorted(set(chapters)))
    }


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure in the shared style; sizes in inches."""
    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width, height))


def save(figure: Figure, png: Path, svg: Path, simulated: bool) -> None:
    """Write a figure as PNG (150 dots an inch) and SVG, each whole or not at all.

    The margins are cut to what is drawn. On simulated data the words "Simulated data" are set
    below the lower right corner, outside everything else.
    """
    if simulated:
        figure.text(
            1, 0, "Simulated data", ha="right", va="top", fontsize=8, weight="bold", color=QUIET
        )
    metadata: dict[str, dict[str, str | None]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
    }
    for kind, path in (("png", png), ("svg", svg)):
        with atomic(path) as temporary:
            figure.savefig(
                temporary,
                format=kind,
                dpi=150,
                bbox_inches="tight",
                facecolor="white",
                metadata=metadata[kind],
            )
