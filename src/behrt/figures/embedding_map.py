"""Figure 4: the disease embeddings in two dimensions, coloured by chapter."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from behrt.figures.labels import chapter_handles, place_labels, wrapped
from behrt.figures.style import QUIET, chapter_marks, new_figure
from behrt.sequences.vocabulary import Vocabulary

SEEN_ENOUGH = 100
"""Training patients who must have had a disease for its place on the map to mean something."""

_NAMED = 60
_EXACT = 2000


def project(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Return float64 (diseases, 2): the t-SNE of the embeddings, by cosine distance.

    Cosine, as among the neighbours: the length of an embedding grows with how often a disease was
    seen. The exact gradient (up to 2,000 diseases; then Barnes and Hut's, which is faster) and a
    start from the principal components give the same map for the same embeddings and seed. (van der
    Maaten and Hinton, JMLR 2008.) Of fewer than three diseases there is no map: they lie in a row.

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


def draw(places: np.ndarray, vocabulary: Vocabulary, patients: np.ndarray) -> Figure:
    """Return the map: common diseases bold and named, rare ones pale.

    Args:
        places: float (diseases, 2).
        vocabulary: names and chapters.
        patients: int (diseases), training patients who had each disease.
    """
    marks = chapter_marks(vocabulary.chapters)
    bold = patients >= SEEN_ENOUGH
    figure = new_figure(8, 6.2)
    axes = figure.add_axes((0.01, 0.02, 0.76, 0.96))
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    chapters = np.array(vocabulary.chapters)
    sizes = np.where(bold, 34.0, 9.0)
    for chapter, mark in marks.items():
        for strong in (False, True):
            chosen = (chapters == chapter) & (bold == strong)
            axes.scatter(
                places[chosen, 0],
                places[chosen, 1],
                s=sizes[chosen],
                c=mark.colour,
                marker=mark.marker,
                alpha=0.95 if strong else 0.45,
                edgecolors="white",
                linewidths=0.4,
                zorder=3 if strong else 2,
            )
    axes.margins(0.06)
    figure.legend(
        handles=chapter_handles(marks),
        loc="upper left",
        bbox_to_anchor=(0.78, 0.97),
        title="Chapter",
    )
    figure.text(
        0.785,
        0.03,
        f"Large: the {bold.sum()} of {len(bold)} diseases\nthat at least {SEEN_ENOUGH} training\n"
        "patients had; the commonest\nare named where there is room.",
        fontsize=7,
        color=QUIET,
    )
    commonest = np.argsort(-patients, kind="stable")[:_NAMED]
    place_labels(
        axes,
        places,
        np.sqrt(sizes) / 2,
        np.where(bold, 1.0, 0.3),
        [wrapped(name, 22) for name in vocabulary.phenotypes],
        [int(i) for i in commonest if bold[i]],
        size=6.2,
    )
    return figure
