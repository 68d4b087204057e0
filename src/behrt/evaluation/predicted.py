"""Predictions of one event: of whom, the risks, the labels, and their recalibration."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.evaluation.calibration import logistic
from behrt.evaluation.recalibration import Recalibration, log_odds
from behrt.sequences.frames import HELD_OUT, TUNING


@dataclass(frozen=True)
class Predicted:
    """Predictions of one model. A patient may have several.

    Attributes:
        patient: int64 (n), the number of each prediction's patient, from 0 on.
        patients: their number.
        risk: float64 (n).
        label: bool (n).
        weight: float64 (n).
    """

    patient: np.ndarray
    patients: int
    risk: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    def select(self, rows: np.ndarray) -> "Predicted":
        """Return some predictions (bool or int64); patients keep their numbers."""
        return Predicted(
            self.patient[rows],
            self.patients,
            self.risk[rows],
            self.label[rows],
            self.weight[rows],
        )

    def sums(self, *values: np.ndarray) -> np.ndarray:
        """Return float64 (patients, k): each patient's weighted sums of values."""
        columns = [
            np.bincount(self.patient, self.weight * value, minlength=self.patients)
            for value in values
        ]
        return np.stack(columns, axis=1)

    def with_event(self) -> tuple[int, int]:
        """Return the number of patients, and of those with the event after a prediction."""
        return len(np.unique(self.patient)), len(np.unique(self.patient[self.label]))

    def recalibrated(self, recalibration: Recalibration) -> "Predicted":
        """Return the same predictions with recalibrated risks."""
        return replace(self, risk=recalibration.risks(self.risk[:, np.newaxis])[:, 0])


def fit_recalibration(predicted: Predicted) -> Recalibration:
    """Return the logistic recalibration of one event: an intercept and a slope, with weights.

    It is that of `behrt.evaluation.recalibration` for a single disease.

    Args:
        predicted: of other patients than those whose risks are recalibrated, with both labels.
    """
    scores = log_odds(predicted.risk)
    design = np.stack([np.ones_like(scores), scores], axis=1)
    weight = predicted.weight[:, np.newaxis]
    intercept, slope = logistic(design, weight, weight * predicted.label[:, np.newaxis])[:, 0]
    return Recalibration(float(slope), (float(intercept),), 0.0)


def read_predicted(path: Path, split: str = HELD_OUT) -> tuple[Predicted, pl.DataFrame]:
    """Return a model's predictions for the patients of a split, and their subjects and times.

    Raises:
        InputError: a risk is not within 0 to 1.
    """
    frame = pl.read_parquet(path).filter(split=split)
    risk = frame["predicted_boolean_probability"].to_numpy()
    if not ((risk >= 0) & (risk <= 1)).all():
        raise InputError(path, "a risk is not within 0 to 1", "Train the model again")
    subjects, patient = np.unique(frame["subject_id"].to_numpy(), return_inverse=True)
    label, weight = (frame[name].to_numpy() for name in ("boolean_value", "weight"))
    predicted = Predicted(patient, len(subjects), risk, label, weight)
    return predicted, frame.select("subject_id", "prediction_time")


def recalibration_of(path: Path) -> Recalibration | None:
    """Return the recalibration of a model, fitted on the tuning patients; None without them."""
    tuning, _ = read_predicted(path, TUNING)
    return fit_recalibration(tuning) if len(tuning.label) else None
