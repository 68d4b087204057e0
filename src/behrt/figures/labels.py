"""Names next to points without overlap, and the legend of chapters."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.path import Path as PixelPath
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from behrt.figures.style import INK, QUIET, Mark

_DIRECTIONS = [math.radians(angle) for angle in (0, 180, 30, 150, 330, 210, 90, 270, 60, 120)]
_DISTANCES = (4.0, 9.0, 16.0, 24.0, 34.0)
"""Positions of a name relative to its point: angles, and points (1/72 inch) from the circle."""

_AIR = 1.4
"""Least distance of text from the circle of another point, in radii from its centre."""


def wrapped(name: str, width: int = 24) -> str:
    """Return a name on as many lines as it needs, with dollar signs escaped.

    A line breaks at a blank. A word longer than a line breaks after its slashes and hyphens, if it
    has any.
    """
    lines = [""]
    for word in name.replace("_", ": ").replace("$", r"\$").split():
        parts = re.findall(r"[^/-]*[/-]|[^/-]+", word) if len(word) > width else [word]
        for i, part in enumerate(parts):
            blank = " " if i == 0 and lines[-1] else ""
            if lines[-1] and len(lines[-1] + blank + part) > width:
                lines.append(part)
            else:
                lines[-1] += blank + part
    return "\n".join(lines)


@dataclass(frozen=True)
class _Place:
    """A possible place of a name: its box, and the line from its point's edge; in pixels."""

    box: Bbox
    line: np.ndarray
    cost: float


def place_labels(
    axes: Axes,
    points: np.ndarray,
    radii: np.ndarray,
    weights: np.ndarray,
    names: Sequence[str],
    order: Iterable[int],
    size: float = 6.5,
) -> list[int]:
    """Write names next to their points where there is room, and return the points without a name.

    Names are placed one by one, each as near to its point as possible. A name covers no other name,
    line or text of the axes, no edge of a frame, avoids circles, and stays inside the axes; a thin
    line leads to a name that is not next to its point. Limits and size of the axes must be final.

    Args:
        axes: on a figure.
        points: float (n, 2), in data coordinates: everything that is drawn.
        radii: float (n), of the circles, in points (1/72 inch).
        weights: float (n): cost of covering a circle; from 1 on it is never covered.
        names: (n), the texts.
        order: indices of the points to name, the most important first.
        size: of the font, in points.
    """
    figure = cast(Figure, axes.get_figure())
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    frame = axes.get_window_extent(renderer)
    dot = figure.dpi / 72
    pixels, radii = axes.transData.transform(points), radii * dot
    frames = frames_of(axes)
    taken = [_written(text, renderer) for text in axes.texts]
    left_out = []
    for index in order:
        text = axes.text(0, 0, names[index], fontsize=size, color=INK, linespacing=0.95)
        extent = text.get_window_extent(renderer)
        places = [
            place
            for distance, angle in itertools.product(_DISTANCES, _DIRECTIONS)
            if (place := _place(index, distance * dot, angle, extent, pixels, radii, weights)).cost
            < 1
            and _inside(place.box, frame)
            and not struck(place.box, frames)
            and not any(_collide(place, other) for other in taken)
        ]
        if not places:
            text.remove()
            left_out.append(index)
            continue
        place = min(places, key=lambda place: place.cost)
        taken.append(place)
        to_data = axes.transData.inverted().transform
        text.set_position(tuple(to_data(place.box.min)))
        text.set_verticalalignment("bottom")
        text.set_multialignment(_alignment(place.box, pixels[index][0]))
        if math.dist(*place.line) > 5 * dot:
            line = to_data(place.line)
            axes.add_line(Line2D(line[:, 0], line[:, 1], color=QUIET, linewidth=0.5, zorder=1))
    return left_out


def _place(
    index: int,
    distance: float,
    angle: float,
    extent: Bbox,
    pixels: np.ndarray,
    radii: np.ndarray,
    weights: np.ndarray,
) -> _Place:
    """Return the place of a text of some extent, `distance` off a circle's edge at an angle.

    Its cost is the weight of the circles that the text or its line covers, 1 if the text covers its
    own, and a little for the distance.
    """
    point, radius = pixels[index], radii[index]
    across, up = math.cos(angle), math.sin(angle)
    x = point[0] + (radius + distance) * across + (across - 1) / 2 * extent.width
    y = point[1] + (radius + distance) * up + (up - 1) / 2 * extent.height
    box = Bbox.from_bounds(x, y, extent.width, extent.height)
    end = np.clip(point, box.min, box.max)
    start = point + (end - point) * radius / max(math.dist(end, point), radius)
    others = np.arange(len(pixels)) != index
    gaps = np.hypot(*(pixels - np.clip(pixels, box.min, box.max)).T)
    along = np.clip((pixels - start) @ (end - start) / max(math.dist(end, start), 1e-9) ** 2, 0, 1)
    off_line = np.hypot(*(pixels - start - along[:, np.newaxis] * (end - start)).T)
    covered = others & ((gaps < _AIR * radii) | (off_line < radii))
    over_own = gaps[index] < radius
    cost = weights[covered].sum() + over_own + 0.002 * distance
    return _Place(box, np.stack([start, end]), float(cost))


def frames_of(axes: Axes) -> list[PixelPath]:
    """Return the outlines of the frames that are drawn on axes, in pixels."""
    return [
        patch.get_transform().transform_path(patch.get_path())
        for patch in axes.patches
        if isinstance(patch, Rectangle) and not patch.get_fill()
    ]


def struck(box: Bbox, frames: Iterable[PixelPath]) -> bool:
    """Return whether the edge of a frame goes through a box."""
    return any(frame.intersects_bbox(box.padded(1), filled=False) for frame in frames)


def _written(text: Text, renderer: RendererAgg) -> _Place:
    """Return the place of a text without a line."""
    box = Text.get_window_extent(text, renderer)
    return _Place(box, np.repeat([box.min], 2, axis=0), 0.0)


def shortened(name: str, width: int) -> str:
    """Return a name on one line of at most `width` characters, with dollar signs escaped."""
    text = name.replace("_", ": ")
    text = text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
    return text.replace("$", r"\$")


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(np.all(frame.min <= box.min) and np.all(box.max <= frame.max))


def _collide(one: _Place, other: _Place) -> bool:
    """Return whether two names, or a name and the other's line, or their lines, meet."""
    lines = PixelPath(one.line), PixelPath(other.line)
    return (
        one.box.padded(1).overlaps(other.box)
        or lines[0].intersects_bbox(other.box)
        or lines[1].intersects_bbox(one.box)
        or lines[0].intersects_path(lines[1])
    )


def _alignment(box: Bbox, x: float) -> Literal["left", "center", "right"]:
    """Return how lines are aligned, so that they begin or end at the point."""
    if box.x0 > x:
        return "left"
    return "right" if box.x1 < x else "center"


def short_chapter(chapter: str) -> str:
    """Return a chapter's name without the words that most of them share."""
    short = re.sub(
        r"^Diseases of the |\s+(conditions|diseases|disorders)$", "", chapter, flags=re.I
    )
    return (short[:1].upper() + short[1:]).replace("$", r"\$")


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
