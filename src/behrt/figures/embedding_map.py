"""Figure 4: the disease embeddings in two dimensions, coloured by chapter; clusters enlarged."""

import itertools
import string
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from sklearn.manifold import TSNE

from behrt.disclosure import Rules
from behrt.evaluation.clusters import Cluster, find_clusters
from behrt.evaluation.embeddings import keep_told, patients_with, read_embeddings
from behrt.figures.labels import (
    chapter_handles,
    frames_of,
    place_labels,
    short_chapter,
    struck,
    wrapped,
)
from behrt.figures.style import QUIET, Mark, chapter_marks, new_figure
from behrt.logs import logger
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary

SEEN_ENOUGH = 100
"""Training patients of a disease from which its place on the map is considered reliable."""

_NAMED = 60
_EXACT = 2000
_LARGE, _SMALL = 34.0, 9.0
"""Square points of a mark."""
_MAP_HEIGHT, _PANEL_HEIGHT = 6.2, 3.1
"""Inches."""


def project(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Return float64 (diseases, 2): the t-SNE of the embeddings, by cosine distance.

    The distance is cosine, as for the neighbours, because the length of an embedding grows with the
    frequency of a disease. The exact gradient (for up to 2,000 diseases; Barnes and Hut's for more)
    and a start from the principal components give the same map for the same embeddings and seed
    (van der Maaten and Hinton, JMLR 2008). Fewer than three diseases are placed in a row.

    Args:
        embeddings: float (diseases, hidden).
        seed: of the run.
    """
    if len(embeddings) < 3:
        return np.stack([np.arange(len(embeddings)), np.zeros(len(embeddings))], axis=1)
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    method = "exact" if len(embeddings) <= _EXACT else "barnes_hut"
    projection = TSNE(
        metric="cosine", method=method, init="pca", perplexity=perplexity, random_state=seed
    )
    return np.asarray(projection.fit_transform(embeddings), dtype=np.float64)


def draw(
    weights: Path, vocabulary: Path, sequences: list[Path], seed: int, disclosure: Rules
) -> Figure:
    """Return the figure.

    Args:
        weights: of the pretrained model.
        vocabulary: names and chapters.
        sequences: the shards.
        seed: of the projection.
        disclosure: diseases of fewer training patients than its threshold are left out.
    """
    diseases = read_map(weights, vocabulary, sequences, seed, disclosure)
    clusters = find_clusters(diseases.places, diseases.vocabulary, diseases.bands >= SEEN_ENOUGH)
    logger.info(
        "embedding map: %d diseases, %d of them of at least %d training patients; enlarged: %s",
        len(diseases.bands),
        (diseases.bands >= SEEN_ENOUGH).sum(),
        SEEN_ENOUGH,
        ", ".join(cluster.chapter for cluster in clusters) or "none",
    )
    return draw_map(diseases.places, diseases.vocabulary, diseases.bands, clusters)


@dataclass(frozen=True)
class DiseaseMap:
    """The diseases that may be shown, on the map.

    Attributes:
        vocabulary: names and chapters.
        embeddings: float (diseases, hidden).
        places: float64 (diseases, 2).
        patients: int64 (diseases), training patients with each disease.
        bands: int64 (diseases), the lower end of the band that each of these counts is shown by.
        total: training patients.
    """

    vocabulary: Vocabulary
    embeddings: np.ndarray
    places: np.ndarray
    patients: np.ndarray
    bands: np.ndarray
    total: int


def read_map(
    weights: Path, vocabulary: Path, sequences: list[Path], seed: int, rules: Rules
) -> DiseaseMap:
    """Return the map of the diseases that enough training patients had.

    Arguments are those of `draw`.
    """
    words = read_vocabulary(vocabulary)
    patients, total = patients_with(sequences, len(words.phenotypes))
    words, embeddings, patients = keep_told(
        words, read_embeddings(weights, words), patients, rules.threshold
    )
    bands = np.array([rules.band(int(count))[0] for count in patients], dtype=np.int64)
    return DiseaseMap(words, embeddings, project(embeddings, seed), patients, bands, total)


def draw_map(
    places: np.ndarray,
    vocabulary: Vocabulary,
    patients: np.ndarray,
    clusters: Sequence[Cluster] = (),
) -> Figure:
    """Return the map, with common diseases large and named, and its clusters enlarged.

    A panel shows all diseases in its part of the map. The diseases of the cluster are named first,
    then the others where there is room.

    Args:
        places: float (diseases, 2).
        vocabulary: names and chapters.
        patients: int (diseases), training patients who had each disease.
        clusters: to be enlarged, as `behrt.evaluation.clusters.find_clusters` chooses them.
    """
    marks = chapter_marks(vocabulary.chapters)
    bold = patients >= SEEN_ENOUGH
    rows = (len(clusters) + 1) // 2
    height = _MAP_HEIGHT + rows * _PANEL_HEIGHT
    figure = new_figure(8.4, height)
    bottom = rows * _PANEL_HEIGHT / height
    axes = figure.add_axes((0.01, bottom + 0.01, 0.75, 1 - bottom - 0.02))
    _scatter(axes, places, vocabulary, bold, marks, 1.0)
    axes.margins(0.06)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(
        handles=chapter_handles(marks),
        loc="upper left",
        bbox_to_anchor=(0.775, 0.985),
        title="Chapter",
        alignment="left",
    )
    letters = string.ascii_uppercase[: len(clusters)]
    figure.text(
        0.785,
        bottom + 0.02,
        f"Large: the {bold.sum()} of {len(bold)} diseases\nthat at least {SEEN_ENOUGH} training\n"
        "patients had; the most common\nare named where there is room."
        + (f"\n{letters[0]}–{letters[-1]}: enlarged below." if letters else ""),
        fontsize=7,
        color=QUIET,
    )
    for i, (letter, cluster) in enumerate(zip(letters, clusters, strict=True)):
        top = bottom - (i // 2) * _PANEL_HEIGHT / height
        panel = figure.add_axes(
            (
                0.01 + i % 2 * 0.5,
                top - (_PANEL_HEIGHT - 0.05) / height,
                0.48,
                (_PANEL_HEIGHT - 0.45) / height,
            )
        )
        _enlarge(panel, axes, letter, cluster, places, vocabulary, bold, marks)
    _letter_frames(axes, letters)
    enlarged = {int(i) for cluster in clusters for i in cluster.diseases}
    commonest = np.argsort(-patients, kind="stable")[:_NAMED]
    place_labels(
        axes,
        places,
        np.sqrt(np.where(bold, _LARGE, _SMALL)) / 2,
        np.where(bold, 1.0, 0.3),
        [wrapped(name, 22) for name in vocabulary.phenotypes],
        [int(i) for i in commonest if bold[i] and i not in enlarged],
        size=6.2,
    )
    return figure


def _scatter(
    axes: Axes,
    places: np.ndarray,
    vocabulary: Vocabulary,
    bold: np.ndarray,
    marks: dict[str, Mark],
    scale: float,
) -> None:
    axes.set(xticks=[], yticks=[])
    chapters = np.array(vocabulary.chapters)
    for chapter, mark in marks.items():
        for strong in (False, True):
            chosen = (chapters == chapter) & (bold == strong)
            axes.scatter(
                places[chosen, 0],
                places[chosen, 1],
                s=scale * (_LARGE if strong else _SMALL),
                c=mark.colour,
                marker=mark.marker,
                alpha=0.95 if strong else 0.45,
                edgecolors="white",
                linewidths=0.4,
                zorder=3 if strong else 2,
            )


def _enlarge(
    panel: Axes,
    whole: Axes,
    letter: str,
    cluster: Cluster,
    places: np.ndarray,
    vocabulary: Vocabulary,
    bold: np.ndarray,
    marks: dict[str, Mark],
) -> None:
    """Draw a cluster in its own panel, and its frame on the whole map."""
    members = places[cluster.diseases]
    low, high = members.min(axis=0), members.max(axis=0)
    room = np.maximum((high - low) * (0.24, 0.12), np.ptp(places, axis=0) * 0.012)
    (x0, y0), (x1, y1) = low - room, high + room
    _scatter(panel, places, vocabulary, bold, marks, 1.6)
    panel.set(xlim=(x0, x1), ylim=(y0, y1))
    panel.set_title(
        textwrap.fill(
            f"{letter}  {short_chapter(cluster.chapter)}: "
            f"{cluster.of_chapter} of {len(cluster.diseases)}",
            44,
        )
    )
    for spine in panel.spines.values():
        spine.set_visible(True)
        spine.set_linestyle((0, (4, 3)))
    frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=QUIET, lw=0.7, ls=(0, (4, 3)))
    whole.add_patch(frame)
    inside = np.all((places >= (x0, y0)) & (places <= (x1, y1)), axis=1)
    radii = np.sqrt(1.6 * np.where(bold, _LARGE, _SMALL)) / 2
    place_labels(
        panel,
        places,
        radii,
        np.where(inside & bold, 1.0, 0.0),
        [wrapped(name, 28) for name in vocabulary.phenotypes],
        [*cluster.diseases, *np.setdiff1d(np.flatnonzero(inside & bold), cluster.diseases)],
        size=5.8,
    )


def _letter_frames(axes: Axes, letters: str) -> None:
    """Write a letter at a corner of each frame, where no other frame or letter is."""
    axes.autoscale_view()
    figure = cast(Figure, axes.get_figure())
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    frames, taken = frames_of(axes), list[Bbox]()
    for letter, frame in zip(letters, frames, strict=True):
        text = axes.annotate(
            letter, (0, 0), (0, 0), textcoords="offset points", weight="bold", va="center"
        )
        low, high = frame.get_extents().min, frame.get_extents().max
        corners = itertools.product((high[1], low[1]), (low[0], high[0]))
        places = [
            (x, y, across, up)
            for y, x in corners
            for across, up in itertools.product((1, -1), (1, -1))
        ]
        for x, y, across, up in sorted(places, key=lambda place: place[1] != high[1]):
            text.xy = tuple(axes.transData.inverted().transform((x, y)))
            text.set_position((6 * across, 7 * up))
            text.set_horizontalalignment("center")
            box = Text.get_window_extent(text, renderer)
            if not struck(box, frames) and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
