"""The clusters of the embedding map that the figure enlarges (paper, Fig. 4 A–D)."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom
from sklearn.cluster import HDBSCAN

from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary

ENLARGED = 4
SMALLEST = 5
_NEAR = 3
"""HDBSCAN's `min_samples`: neighbours from which it estimates density."""


@dataclass(frozen=True)
class Cluster:
    """A cluster of diseases on the map.

    Attributes:
        diseases: int64, indices into the vocabulary, ascending.
        chapter: the chapter that is most over-represented in the cluster.
        of_chapter: number of its diseases in that chapter.
    """

    diseases: np.ndarray
    chapter: str
    of_chapter: int


def find_clusters(places: np.ndarray, vocabulary: Vocabulary, drawn: np.ndarray) -> list[Cluster]:
    """Return the clusters to enlarge, the most improbable first.

    The paper does not state how it chose its four. Here HDBSCAN (Campello et al., PAKDD 2013)
    finds the leaf clusters of at least five diseases among the places on the map. A cluster is
    assigned to the chapter with the lowest hypergeometric probability of as many or more of its
    diseases among as many drawn at random. The four clusters of lowest probability are enlarged,
    at most one per chapter. Ties are broken by the first disease in the vocabulary.

    Args:
        places: float (diseases, 2), on the map.
        vocabulary: chapters.
        drawn: bool (diseases), those that may be in a cluster.

    Returns:
        Four clusters, or fewer if there are not as many.
    """
    diseases = np.flatnonzero(drawn)
    if len(diseases) < 2 * SMALLEST:
        return []
    labels = HDBSCAN(
        min_cluster_size=SMALLEST,
        min_samples=_NEAR,
        cluster_selection_method="leaf",
        copy=True,
    ).fit_predict(places[diseases])
    chapters = np.array(vocabulary.chapters)
    found = []
    for label in range(labels.max() + 1):
        members = diseases[labels == label]
        for chapter in sorted({*chapters[members]} - {NO_CHAPTER}):
            inside = int((chapters[members] == chapter).sum())
            everywhere = int((chapters[diseases] == chapter).sum())
            chance = hypergeom.sf(inside - 1, len(diseases), everywhere, len(members))
            found.append((float(chance), int(members[0]), Cluster(members, chapter, inside)))
    chosen: list[Cluster] = []
    for _, first, cluster in sorted(found, key=lambda each: (each[:2], each[2].chapter)):
        known = {other.chapter for other in chosen}, {int(other.diseases[0]) for other in chosen}
        if cluster.chapter not in known[0] and first not in known[1]:
            chosen.append(cluster)
    return chosen[:ENLARGED]
