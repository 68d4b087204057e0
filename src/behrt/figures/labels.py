"""Names beside points, none over another, and the legend of chapters."""

import itertools
import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from behrt.figures.style import INK, QUIET, Mark

_DIRECTIONS = [math.radians(angle) for angle in (0, 180, 30, 150, 330, 210, 90, 270, 60, 120)]
_DISTANCES = (4.0, 9.0, 16.0, 24.0, 34.0)
"""Where a name may stand from its point: angles, and points (1/72 inch) from the circle's edge."""


def wrapped(name: str, width: int = 24) -> str:
    """Return a name on as many lines as it needs."""
    return "\n".join(textwrap.wrap(name.replace("_", ": "), width))


def place_labels(
    axes: Axes,
    points: np.ndarray,
    radii: np.ndarray,
    names: Sequence[str],
    order: Iterable[int],
    size: float = 6.5,
) -> list[int]:
    """Write names beside their points where there is room, and return whose found none.

    Names are placed one by one, each at the nearest free place that covers no other name, stays
    inside the axes and covers as few points as can be; a thin line leads to a name that stands
    far off. Limits and size of the axes must be final.

    Args:
        axes: on a figure.
        points: float (n, 2), in data coordinates: everything that is drawn.
        radii: float (n), of the circles, in points (1/72 inch).
        names: (n), as they are to be written.
        order: indices of the points to be named, the most important first.
        size: of the font, in points.
    """
    figure = cast(Figure, axes.get_figure())
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw_without_rendering()
    dot = figure.dpi / 72
    pixels, radii = axes.transData.transform(points), radii * dot
    frame = axes.get_window_extent(renderer)
    taken: list[Bbox] = []
    left_out = []
    for index in order:
        text = axes.text(0, 0, names[index], fontsize=size, color=INK, linespacing=0.95)
        extent = text.get_window_extent(renderer)
        best: tuple[float, Bbox] | None = None
        for distance, angle in itertools.product(_DISTANCES, _DIRECTIONS):
            box = _beside(pixels[index], radii[index] + distance * dot, angle, extent)
            if not _inside(box, frame) or any(box.overlaps(other) for other in taken):
                continue
            cost = _covered(box, pixels, radii) + 0.02 * distance
            if best is None or cost < best[0]:
                best = cost, box
        if best is None or best[0] >= 3:
            text.remove()
            left_out.append(index)
            continue
        box = best[1]
        taken.append(box.padded(dot))
        _lead(axes, pixels[index], radii[index], box, dot)
        text.set_position(tuple(axes.transData.inverted().transform((box.x0, box.y0))))
        text.set_verticalalignment("bottom")
        text.set_multialignment("left" if box.x0 > pixels[index][0] else "center")
    return left_out


def _beside(point: np.ndarray, distance: float, angle: float, extent: Bbox) -> Bbox:
    """Return the text's box, its nearest edge `distance` off in the direction of `angle`."""
    x = point[0] + distance * math.cos(angle) + (math.cos(angle) - 1) / 2 * extent.width
    y = point[1] + distance * math.sin(angle) + (math.sin(angle) - 1) / 2 * extent.height
    return Bbox.from_bounds(x, y, extent.width, extent.height)


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(np.all(frame.min <= box.min) and np.all(box.max <= frame.max))


def _covered(box: Bbox, pixels: np.ndarray, radii: np.ndarray) -> float:
    """Return how many circles a box covers, at least in part."""
    nearest = np.clip(pixels, [box.x0, box.y0], [box.x1, box.y1])
    return float((np.hypot(*(pixels - nearest).T) < radii).sum())


def _lead(axes: Axes, point: np.ndarray, radius: float, box: Bbox, dot: float) -> None:
    """Draw a line from a circle's edge to a box, unless they are close."""
    end = np.clip(point, [box.x0, box.y0], [box.x1, box.y1])
    length = math.hypot(*(end - point))
    if length - radius < 7 * dot:
        return
    start = point + (end - point) * radius / length
    line = axes.transData.inverted().transform([start, end])
    axes.add_line(Line2D(line[:, 0], line[:, 1], color=QUIET, linewidth=0.4, zorder=1))


def short_chapter(chapter: str) -> str:
    """Return a chapter's name without the words that most of them share."""
    short = re.sub(
        r"^Diseases of the |\s+(conditions|diseases|disorders)$", "", chapter, flags=re.I
    )
    return short[:1].upper() + short[1:]


def chapter_handles(marks: dict[str, Mark]) -> list[Line2D]:
    """Return the legend's entries, one a chapter."""
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=mark.marker,
            markersize=5,
            markerfacecolor=mark.colour,
            markeredgecolor="white",
            markeredgewidth=0.3,
            label=short_chapter(chapter),
        )
        for chapter, mark in marks.items()
    ]
