"""Sampled futures of patients: which diseases they will have and when, and when they die."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.learning.futures import Futures, cumulative_incidence
from behrt.learning.visits import DAYS_A_YEAR

DEATH = "Death"
"""Names the event in the tables of futures."""


@dataclass(frozen=True)
class Trajectories:
    """Sampled futures of patients.

    Attributes:
        rows: subject_id, prediction_time, visits and further columns, one row per prediction.
        start: int64 (rows), the day of the prediction since 1970-01-01.
        known: bool (rows, diseases), the diseases on record.
        futures: of the rows.
        diseases: their names, in the order of the vocabulary.
        years: the time that is sampled.
        refused: diagnoses, subjects and predictions that were left out, by reason.
    """

    rows: pl.DataFrame
    start: np.ndarray
    known: np.ndarray
    futures: Futures
    diseases: tuple[str, ...]
    years: float
    refused: dict[str, int]

    def events(self) -> pl.DataFrame:
        """Return what is recorded in each future, one row per disease and day, and deaths.

        The columns are subject_id, prediction_time, future (Int32, from 0 on), time (Date) and
        event, a disease or `Death`.
        """
        of = self.futures
        copies = len(of.patient) // max(len(self.rows), 1)
        dead = np.flatnonzero(np.isfinite(of.death))
        future = np.concatenate([of.row, dead])
        names = np.array([*self.diseases, DEATH], dtype=object)
        event = np.concatenate([of.disease, np.full(len(dead), len(self.diseases))])
        keys = self.rows.select("subject_id", "prediction_time")
        day = np.concatenate([of.day, of.death[dead].astype(np.int64)])
        found: pl.DataFrame = keys[of.patient[future]].with_columns(
            future=pl.Series(future % max(copies, 1), dtype=pl.Int32),
            time=pl.Series(day, dtype=pl.Int32).cast(pl.Date),
            event=pl.Series(names[event].tolist(), dtype=pl.String),
        )
        keys_of_time = ("subject_id", "prediction_time", "future", "time")
        return found.sort(*keys_of_time, maintain_order=True)

    def incidence(self, years: Sequence[float]) -> np.ndarray:
        """Return float64 (rows, diseases + 1, years): the shares of futures with each event.

        Args:
            years: times since the prediction, at most those that are sampled.
        """
        days = np.floor(np.array(years) * DAYS_A_YEAR)
        return cumulative_incidence(self.futures, self.start, days, len(self.diseases))

    def cumulative_incidence(self, years: Sequence[float] | None = None) -> pl.DataFrame:
        """Return the cumulative incidence of every event, one row per event and time.

        The columns are subject_id, prediction_time, event, known (whether the disease is on record
        already), years, and probability: the share of futures with a record of the disease, or with
        death, up to that time. Death comes first: a disease after it does not count.

        Args:
            years: times since the prediction; by default each full year that is sampled.
        """
        times = list(range(1, int(self.years) + 1)) if years is None else list(years)
        found = self.incidence(times)
        events = (*self.diseases, DEATH)
        known = np.pad(self.known, ((0, 0), (0, 1)))
        keys = self.rows.select("subject_id", "prediction_time")
        per_row = len(events) * len(times)
        return keys[np.repeat(np.arange(len(keys)), per_row)].with_columns(
            event=pl.Series(np.tile(np.repeat(events, len(times)), len(keys))),
            known=pl.Series(np.repeat(known.ravel(), len(times))),
            years=pl.Series(np.tile(times, len(keys) * len(events)), dtype=pl.Float64),
            probability=pl.Series(found.ravel()),
        )
