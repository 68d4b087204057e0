"""How every figure looks, and how it is written: the same bytes for the same data."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from behrt.files import atomic

mpl.use("Agg")

INK = "#222222"
QUIET = "#767676"
FAINT = "#D9D9D9"

# Okabe and Ito's colours (Color Universal Design, 2008), with Tol's wine and olive instead of their
# yellow and black, which are too light and too heavy for small points; then a tint of each. The
# colours of each four in a row are apart in every kind of colour vision that the tests simulate.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#56B4E9"),
    *("#CC79A7", "#E69F00", "#882255", "#7A7A00"),
    *("#7FB8D8", "#7FCEB9", "#BDBD80", "#ABDAF4"),
    *("#EAAE80", "#E5BCD3", "#F2CF80", "#C391AA"),
)
MARKERS = ("o", "D", "^", "s", "v", "P", "p", "X")
CHAPTER_MARKERS = MARKERS[:4]
Line = str | tuple[float, tuple[float, ...]]
LINES: tuple[Line, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_ALIKE = 4
"""Colours in a row that share a marker (chapters) or a line style (series)."""

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
    """How a category or a series is drawn: a colour, and a marker and line style of matplotlib."""

    colour: str
    marker: str
    line: Line = "-"


def chapter_marks(chapters: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for each chapter, by its place in the sorted order of all distinct ones.

    Pass the chapters of the whole vocabulary, so that a chapter looks the same in every figure.
    Not every reader can distinguish sixteen colours, so the marker changes after each four.
    """
    lap = len(PALETTE)
    return {
        chapter: Mark(
            PALETTE[i % lap], CHAPTER_MARKERS[(i // _ALIKE + i // lap) % len(CHAPTER_MARKERS)]
        )
        for i, chapter in enumerate(sorted(set(chapters)))
    }


def series_marks(names: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for each series of a figure, by its place.

    Any two of sixteen differ in marker and line style, or in colours that every reader can
    distinguish.
    """
    return {
        name: Mark(
            PALETTE[i % len(PALETTE)],
            MARKERS[(i + i // len(PALETTE)) % len(MARKERS)],
            LINES[i // _ALIKE % len(LINES)],
        )
        for i, name in enumerate(names)
    }


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure in the shared style; sizes in inches."""
    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width, height))


def bottom(figure: Figure) -> float:
    """Return the lower end of all that is drawn, as a share of the height; below 0 if outside."""
    if not figure.get_children()[1:]:
        return 0.0
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    return float(figure.get_tightbbox(renderer).y0 / figure.get_figheight())


def save(figure: Figure, png: Path, svg: Path, simulated: bool) -> None:
    """Write a figure as PNG (150 dots an inch) and SVG, each whole or not at all.

    The margins are cut to what is drawn. On simulated data the words "Simulated data" are set
    on the right, below everything else.
    """
    if simulated:
        figure.text(
            1,
            min(0, bottom(figure)),
            "Simulated data",
            ha="right",
            va="top",
            fontsize=8,
            weight="bold",
            color=QUIET,
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
