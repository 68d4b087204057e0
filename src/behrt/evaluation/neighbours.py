"""The nearest diseases of each disease in the embedding (paper, Table S3)."""

import numpy as np
import polars as pl

from behrt.evaluation.tidy import DECIMALS
from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary


def is_offered(patients: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool (diseases): those that may be shown as a neighbour.

    The embedding of a disease that no training patient had is still random. The embedding of a
    disease that fewer than the threshold had is not shown, because it would reveal something about
    them.

    Args:
        patients: int (diseases), training patients who had each disease.
        threshold: the smallest count of patients to show.
    """
    return patients >= max(threshold, 1)


def find_nearest(
    embeddings: np.ndarray, asked: np.ndarray, offered: np.ndarray, neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the diseases nearest to each disease of `asked` by cosine, the nearest first.

    Of equal cosines, the first in the vocabulary is the nearest.

    Args:
        embeddings: float (diseases, hidden), in the vocabulary's order.
        asked: int (n), indices of diseases.
        offered: int (m), indices of the diseases that may be a neighbour, ascending.
        neighbours: most per disease.

    Returns:
        int64 (n, count), indices of diseases, and their cosines, float64 (n, count); count is
        `neighbours`, or m - 1 if that is less.
    """
    vectors = embeddings.astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = vectors[asked] @ vectors[offered].T
    cosine[asked[:, np.newaxis] == offered] = -np.inf
    count = max(min(neighbours, len(offered) - 1), 0)
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    return offered[nearest], np.take_along_axis(cosine, nearest, axis=1)


def tabulate(
    embeddings: np.ndarray,
    vocabulary: Vocabulary,
    common: np.ndarray,
    offered: np.ndarray,
    neighbours: int,
) -> pl.DataFrame:
    """Return the nearest diseases of each common one, by cosine.

    Args:
        embeddings: float (diseases, hidden), in the vocabulary's order.
        vocabulary: names and chapters.
        common: bool (diseases), those whose neighbours are returned, if they are offered too.
        offered: bool (diseases), as `is_offered` returns.
        neighbours: most per disease.

    Returns:
        disease, chapter String, rank Int64 (1 is the nearest), neighbour, neighbour_chapter
        String, cosine Float64 (four decimals), same_chapter Boolean, null if one has no
        chapter; diseases in the vocabulary's order.
    """
    asked = np.flatnonzero(common & offered)
    nearest, cosine = find_nearest(embeddings, asked, np.flatnonzero(offered), neighbours)
    count = nearest.shape[1]
    disease = np.repeat(asked, count)
    neighbour = nearest.ravel()
    names, chapters = np.array(vocabulary.phenotypes), np.array(vocabulary.chapters)
    return pl.DataFrame(
        {
            "disease": names[disease],
            "chapter": chapters[disease],
            "rank": np.tile(np.arange(1, count + 1), len(asked)),
            "neighbour": names[neighbour],
            "neighbour_chapter": chapters[neighbour],
            "cosine": cosine.ravel().round(DECIMALS),
            "same_chapter": chapters[disease] == chapters[neighbour],
        }
    ).with_columns(
        same_chapter=pl.when(
            ~pl.any_horizontal(pl.col("chapter", "neighbour_chapter") == NO_CHAPTER)
        ).then("same_chapter")
    )
