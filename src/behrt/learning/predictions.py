"""A model's scores of patients, as a frame that is validated when it is written."""

from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.files import write_parquet


def predictions_schema(n_diseases: int) -> type[dy.Schema]:
    """Return the schema of predictions: one row per patient, one score per disease."""

    class Predictions(dy.Schema):
        subject_id = dy.Int64(primary_key=True)
        scores = dy.Array(dy.Float32(min=0, max=1), n_diseases)

    return Predictions


def write_predictions(subject_id: np.ndarray, scores: np.ndarray, path: Path) -> None:
    """Write scores as Parquet.

    Args:
        subject_id: int64 (n).
        scores: float32 (n, n_diseases), probabilities.
        path: the file to write.
    """
    width = scores.shape[1]
    columns = {
        "subject_id": pl.Series(subject_id, dtype=pl.Int64),
        "scores": pl.Series(scores, dtype=pl.Array(pl.Float32, width)),
    }
    write_parquet(predictions_schema(width).validate(pl.DataFrame(columns)), path)
