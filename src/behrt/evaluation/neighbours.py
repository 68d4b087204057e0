"""The nearest diseases of each disease in the embedding (paper, Table S3)."""

import numpy as np
import polars as pl

from behrt.evaluation.tidy import DECIMALS
from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary


def tabulate(
    embeddings: np.ndarray,
    vocabulary: Vocabulary,
    common: np.ndarray,
    seen: np.ndarray,
    neighbours: int,
) -> pl.DataFrame:
    """Return the nearest diseases of each common one, by cosine.

    Args:
        embeddings: float (diseases, hidden), in the vocabulary's order.
        vocabulary: names and chapters.
        common: bool (diseases), those whose neighbours are asked for.
        seen: bool (diseases), those that may be a neighbour: the embedding of a disease that no
            training patient had is as random as it started.
        neighbours: how many a disease, at most.

    Returns:
        disease, chapter String, rank Int64 (1 is the nearest), neighbour, neighbour_chapter
        String, cosine Float64 (four decimals), same_chapter Boolean, null where one has no
        chapter; diseases in the vocabulary's order. Of equal cosines the first in the vocabulary
        is the nearer.
    """
    asked, offered = np.flatnonzero(common), np.flatnonzero(seen)
    vectors = embeddings.astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = vectors[asked] @ vectors[offered].T
    cosine[asked[:, np.newaxis] == offered] = -np.inf
    count = max(min(neighbours, len(offered) - 1), 0)
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    disease = np.repeat(asked, count)
    neighbour = offered[nearest].ravel()
    names, chapters = np.array(vocabulary.phenotypes), np.array(vocabulary.chapters)
    return pl.DataFrame(
        {
            "disease": names[disease],
            "chapter": chapters[disease],
            "rank": np.tile(np.arange(1, count + 1), len(asked)),
            "neighbour": names[neighbour],
            "neighbour_chapter": chapters[neighbour],
            "cosine": np.take_along_axis(cosine, nearest, axis=1).ravel().round(DECIMALS),
            "same_chapter": chapters[disease] == chapters[neighbour],
        }
    ).with_columns(
        same_chapter=pl.when(
            ~pl.any_horizontal(pl.col("chapter", "neighbour_chapter") == NO_CHAPTER)
        ).then("same_chapter")
    )
