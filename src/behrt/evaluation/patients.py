"""How well a model ranks the diseases of each held-out patient."""

from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.evaluation.metrics import sample_metrics
from behrt.sequences.frames import HELD_OUT

_PATIENTS_AT_ONCE = 20_000


class PatientMetrics(dy.Schema):
    """One row per held-out patient with a label; null where a metric is undefined.

    `first`: diseases that the patient already had are removed from label and ranking.
    """

    subject_id = dy.Int64(primary_key=True)
    aps_all = dy.Float64(nullable=True, min=0, max=1)
    auroc_all = dy.Float64(nullable=True, min=0, max=1)
    aps_first = dy.Float64(nullable=True, min=0, max=1)
    auroc_first = dy.Float64(nullable=True, min=0, max=1)


def read_scored(
    task: Path, scores: Path, n_diseases: int, split: str, labelled: bool = True
) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the patients of a split, by subject_id, and their scores.

    Args:
        task: one task's examples (`behrt.sequences.frames.TaskExamples`).
        scores: a model's predictions: subject_id, scores (Array of n_diseases Float32).
        n_diseases: the number of phenotypes.
        split: tuning or held_out.
        labelled: leave out patients without a label, as the paper does.

    Returns:
        The frame subject_id, input_visits, label, known, and float32 (n, n_diseases).

    Raises:
        InputError: the split has no patient; a patient has no scores, or two; scores of another
            number of diseases, or outside 0 to 1.
    """
    patients = (
        pl.scan_parquet(task)
        .filter((pl.col("split") == split) & ((pl.col("label").list.len() > 0) | (not labelled)))
        .select("subject_id", "input_visits", "label", "known")
        .sort("subject_id")
        .collect()
    )
    if patients.is_empty():
        raise InputError(
            task,
            f"no {split.replace('_', '-')} patient has a label",
            "Give the split a larger share, or use more people",
        )
    again = "Delete it, and run again"
    predicted = pl.read_parquet(scores)
    if predicted.schema["scores"] != pl.Array(pl.Float32, n_diseases):
        raise InputError(scores, f"a row does not hold {n_diseases} scores (Float32)", again)
    if predicted["subject_id"].is_duplicated().any():
        raise InputError(scores, "a patient has two rows", again)
    joined = patients.join(predicted, on="subject_id", how="left", maintain_order="left")
    if joined["scores"].null_count():
        raise InputError(scores, f"a {split.replace('_', '-')} patient has no scores", again)
    values = joined["scores"].to_numpy()
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(scores, "a score is not a probability from 0 to 1", again)
    return patients, values


def read_held_out(
    task: Path, scores: Path, n_diseases: int, labelled: bool = True
) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the held-out patients and their scores; see `read_scored`."""
    return read_scored(task, scores, n_diseases, HELD_OUT, labelled)


def multi_hot(diseases: pl.Series, n_diseases: int) -> np.ndarray:
    """Return bool (n, n_diseases) of a column of lists of phenotype indices."""
    dense = np.zeros((len(diseases), n_diseases), dtype=bool)
    rows = np.repeat(np.arange(len(diseases)), diseases.list.len().to_numpy())
    dense[rows, diseases.explode(empty_as_null=False, keep_nulls=False).to_numpy()] = True
    return dense


def count_by_patient(number: np.ndarray, numbers: int) -> np.ndarray:
    """Return how often each number occurs in the row of each patient.

    >>> count_by_patient(np.array([[0, 2, 2], [1, 1, 1]]), 3)
    array([[1, 0, 2],
           [0, 3, 0]])

    Args:
        number: integers (patients, k), from 0 to `numbers` - 1.
        numbers: how many there are.

    Returns:
        int64 (patients, numbers).
    """
    place = number + np.arange(len(number))[:, np.newaxis] * numbers
    counts = np.bincount(place.ravel(), minlength=len(number) * numbers)
    return counts.reshape(len(number), numbers)


def score_patients(patients: pl.DataFrame, scores: np.ndarray) -> dy.DataFrame[PatientMetrics]:
    """Return every patient's APS and AUROC, on all labels and on first incidence.

    On all labels every disease is ranked, also diseases that the patient had before (paper,
    Table 1). On first incidence the patient's known diseases are left out of label and ranking
    (Table 2); a patient without a new disease has no such score.

    Args:
        patients: subject_id, label, known, as `read_held_out` gives them.
        scores: float32 (n, n_diseases), in the same order.
    """
    n_diseases = scores.shape[1]
    parts = []
    for start in range(0, len(patients), _PATIENTS_AT_ONCE):
        part = patients.slice(start, _PATIENTS_AT_ONCE)
        ranked = scores[start : start + len(part)]
        label = multi_hot(part["label"], n_diseases)
        new = ~multi_hot(part["known"], n_diseases)
        aps_all, auroc_all = sample_metrics(ranked, label)
        aps_first, auroc_first = sample_metrics(ranked, label, new)
        metrics = part.select("subject_id").with_columns(
            pl.Series("aps_all", aps_all),
            pl.Series("auroc_all", auroc_all),
            pl.Series("aps_first", aps_first),
            pl.Series("auroc_first", auroc_first),
        )
        parts.append(metrics.fill_nan(None))
    return PatientMetrics.validate(pl.concat(parts))


def read_patient_metrics(path: Path) -> pl.DataFrame:
    """Read one model's metrics (`PatientMetrics`), by subject_id."""
    return pl.read_parquet(path).sort("subject_id")
