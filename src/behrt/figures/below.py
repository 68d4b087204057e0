"""The legend and the note below the panels of a figure, neither over anything else."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from behrt.figures.style import QUIET, bottom

_GAP = 0.1
"""Inches between what is drawn and what is written below it."""
_CHARACTER = 0.054
"""Inches of a character of a note, on average."""


def write_below(
    figure: Figure, handles: Sequence[Artist] = (), note: str = "", left: float = 0.02, **style: Any
) -> None:
    """Write a legend, in as many columns as fit, and a note in grey below all that is drawn.

    Both may lie below the lower edge of the figure: `behrt.figures.style.save` includes them.

    Args:
        figure: whose panels have their final place.
        handles: of the legend.
        note: a line that ends with a line break stays one; longer lines are broken.
        left: where both begin, as a share of the width.
        style: further arguments of matplotlib's legend.
    """
    width = figure.get_figwidth() * (1 - left)
    gap = _GAP / figure.get_figheight()
    if handles:
        place = {"loc": "upper left", "bbox_to_anchor": (left, bottom(figure) - gap)}
        style = {"borderaxespad": 0, "borderpad": 0, "columnspacing": 1.4, **place, **style}
        single = figure.legend(handles=handles, ncols=1, **style | {"title": None})
        renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        widest = single.get_window_extent(renderer).width / figure.dpi + 2 * _GAP
        single.remove()
        columns = max(1, min(len(handles), int(width / widest)))
        figure.legend(handles=handles, ncols=columns, **style)
    if note:
        lines = [
            part
            for line in note.splitlines()
            for part in textwrap.wrap(line, int(width / _CHARACTER))
        ]
        y = bottom(figure) - gap / 2
        figure.text(left, y, "\n".join(lines), fontsize=7, color=QUIET, va="top")
