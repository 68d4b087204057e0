"""The predictions of an outcome as arrays for training: inputs, one label each, and weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from behrt import hashing
from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.features import DAYS_PER_MONTH, ages
from behrt.learning.histories import Histories
from behrt.learning.load import load_examples
from behrt.outcomes.frames import OutcomeLabels
from behrt.sequences.frames import SPLITS

_ONE = "outcome"


@dataclass(frozen=True)
class OutcomeExamples:
    """Predictions of an outcome, sorted by subject and time; a subject may have several.

    Attributes:
        examples: the inputs, without labels.
        prediction_time: datetime64[us] (n).
        label: bool (n).
        weight: float64 (n).
        split: str (n).
    """

    examples: Examples
    prediction_time: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def of(self, splits: Sequence[str]) -> "OutcomeExamples":
        """Return the predictions of the patients of some splits."""
        return self.select(np.flatnonzero(np.isin(self.split, list(splits))))

    def select(self, rows: np.ndarray) -> "OutcomeExamples":
        """Return the predictions at `rows` (int64 indices), in that order."""
        return OutcomeExamples(
            self.examples.select(rows),
            self.prediction_time[rows],
            self.label[rows],
            self.weight[rows],
            self.split[rows],
        )

    @property
    def months_since_visit(self) -> np.ndarray:
        """Months of 30.4375 days from the last input visit to the prediction, float64 (n)."""
        last = self.examples.visit_day[self.examples.visit_offsets[1:] - 1]
        day = self.prediction_time.astype("datetime64[D]").astype(np.int64)
        months: np.ndarray = (day - last) / DAYS_PER_MONTH
        return months

    @property
    def months_of_age(self) -> np.ndarray:
        """Age at the prediction in months, as ages at visits count, int64 (n)."""
        last = self.examples.visit_day[self.examples.visit_offsets[1:] - 1]
        visit = last.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        now = self.prediction_time.astype("datetime64[M]").astype(np.int64)
        months: np.ndarray = ages(self.examples) + now - visit
        return months

    def log_odds(self) -> float:
        """Return the log-odds of the label among all, half a prediction from 0 and 1."""
        edge = 0.5 / len(self)
        share = np.clip(np.average(self.label, weights=self.weight), edge, 1 - edge)
        return float(np.log(share / (1 - share)))


def load_outcome(
    sequences: list[Path],
    labels: Path,
    vocabulary: Path,
    inputs: Sequence[str] | None = None,
) -> OutcomeExamples:
    """Return the predictions of all splits, in order of subject and time, whatever the shards.

    Args:
        sequences: the shards (`behrt.sequences.frames.Sequences`).
        labels: of the outcome (`behrt.outcomes.frames.OutcomeLabels`).
        vocabulary: the JSON file, which gives the number of diseases and of other words.
        inputs: what is read, as `Examples.only` takes it.

    Raises:
        InputError: there is a prediction of a subject or visit that is in no shard.
    """
    read = OutcomeLabels.validate(pl.read_parquet(labels))
    chosen = read.sort("subject_id", "prediction_time")
    whole = load_examples(sequences, None, list(SPLITS), vocabulary)
    subject = chosen["subject_id"].to_numpy()
    row = np.minimum(np.searchsorted(whole.subject_id, subject), max(len(whole) - 1, 0))
    visits = chosen["input_visits"].to_numpy().astype(np.int64)
    held = np.diff(whole.visit_offsets)
    if (whole.subject_id[row] != subject).any() or (visits > held[row]).any():
        raise InputError(
            labels, "it has a subject or a visit that is not in the sequences", "Label again"
        )
    ends = np.arange(1, len(whole.visit_day) + 1)
    histories = Histories(whole, np.zeros(len(whole), dtype=np.int32), {_ONE: ends})
    return OutcomeExamples(
        histories.cut_after(whole.visit_offsets[row] + visits - 1, _ONE).only(inputs),
        chosen["prediction_time"].to_numpy(),
        chosen["boolean_value"].to_numpy(),
        chosen["weight"].to_numpy(),
        chosen["split"].to_numpy().astype(str),
    )


def few_labels(given: OutcomeExamples, share: float, seed: int) -> OutcomeExamples:
    """Return a share of the predictions, at random; fewer are some of more.

    Subjects are drawn in an order that depends on their id and the seed, each with all predictions;
    the last may have only the first of them. At least one prediction with the event and one without
    are among those returned, if there are both.
    """
    draw = hashing.uniform(given.examples.subject_id, seed, "labels")
    order = np.lexsort((np.arange(len(given)), given.examples.subject_id, draw))
    wanted = max(round(share * len(given)), 2)
    drawn = given.label[order]
    if len(np.unique(drawn)) > 1:
        wanted = max(wanted, int(np.argmax(drawn)) + 1, int(np.argmax(~drawn)) + 1)
    return given.select(np.sort(order[:wanted]))


def weighted_log_loss(probability: np.ndarray, given: OutcomeExamples) -> float:
    """Return the mean cross-entropy of the labels, in nats."""
    kept = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    losses = -np.log(np.where(given.label, kept, 1 - kept))
    return float(np.average(losses, weights=given.weight))
