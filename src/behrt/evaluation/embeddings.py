"""The disease embeddings after pretraining, and the number of patients with each disease."""

from pathlib import Path

import numpy as np
import polars as pl
from safetensors import safe_open

from behrt.errors import InputError
from behrt.sequences.frames import TRAIN
from behrt.sequences.vocabulary import FIRST_DISEASE, Vocabulary

TENSOR = "encoder.words.weight"


def read_embeddings(weights: Path, vocabulary: Vocabulary) -> np.ndarray:
    """Return float32 (diseases, hidden): the embeddings, in the vocabulary's order.

    Raises:
        InputError: the file has no embedding of words, or not one per word of the vocabulary.
    """
    again = "Pretrain again with this vocabulary"
    with safe_open(weights, framework="numpy") as tensors:
        if TENSOR not in tensors.keys():  # noqa: SIM118 (it is not a mapping)
            raise InputError(weights, f"there is no tensor {TENSOR}", again)
        words = np.asarray(tensors.get_tensor(TENSOR), dtype=np.float32)
    if len(words) != len(vocabulary):
        raise InputError(
            weights,
            f"it embeds {len(words)} words, but the vocabulary has {len(vocabulary)}",
            again,
        )
    return words[FIRST_DISEASE : FIRST_DISEASE + len(vocabulary.phenotypes)]


def keep_told(
    vocabulary: Vocabulary, embeddings: np.ndarray, patients: np.ndarray, threshold: int
) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
    """Return the diseases that at least `threshold` training patients had, with their embeddings.

    The place of a disease on the map, and even its presence, reveals something about its patients.

    Args:
        vocabulary: names and chapters.
        embeddings: float (diseases, hidden).
        patients: int (diseases), training patients who had each disease.
        threshold: the smallest count of patients to show.

    Returns:
        vocabulary, embeddings and patients of these diseases, in their order.
    """
    known = np.flatnonzero(patients >= threshold)
    words = Vocabulary(
        tuple(vocabulary.phenotypes[i] for i in known), tuple(vocabulary.chapters[i] for i in known)
    )
    return words, embeddings[known], patients[known]


def patients_with(sequences: list[Path], n_diseases: int) -> tuple[np.ndarray, int]:
    """Return the number of training patients with each disease, int64 (diseases), and of all.

    The number of all patients includes those without a diagnosis.
    """
    training = pl.scan_parquet(sequences).filter(pl.col("split") == TRAIN)
    counted = (
        training.select(code=pl.col("code").list.unique())
        .explode("code", empty_as_null=False)
        .group_by("code")
        .len()
        .collect(engine="streaming")
    )
    counts = np.zeros(n_diseases, dtype=np.int64)
    counts[counted["code"].to_numpy()] = counted["len"].to_numpy()
    return counts, training.select(pl.len()).collect().item()
