"""What the sequences show of some patients up to their last input visits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from behrt.simulation.coding import Coding
from behrt.simulation.days import MONTH
from behrt.simulation.patients import FIRST_PRACTICE
from behrt.simulation.world import World

_FEMALE = 2


@dataclass(frozen=True)
class Records:
    """Patients, and the recorded diseases of each. Days are int64, since 1970-01-01.

    Attributes:
        female: bool (patients).
        birth: float64 (patients), the middle of the year or month of birth that is known.
        practice: int64 (patients), the practice's number, from 1.
        start: first day of follow-up of each patient.
        day: the last input visit of each patient.
        row: int64 (recordings), the patient; sorted by patient, disease and day.
        disease: int64 (recordings).
        on: day of each recording.
    """

    female: np.ndarray
    birth: np.ndarray
    practice: np.ndarray
    start: np.ndarray
    day: np.ndarray
    row: np.ndarray
    disease: np.ndarray
    on: np.ndarray

    def part(self, begin: int, end: int) -> "Records":
        """Return the patients from `begin` up to `end`, which is not included."""
        kept = slice(*np.searchsorted(self.row, [begin, end]))
        chosen = slice(begin, end)
        return Records(
            self.female[chosen],
            self.birth[chosen],
            self.practice[chosen],
            self.start[chosen],
            self.day[chosen],
            self.row[kept] - begin,
            self.disease[kept],
            self.on[kept],
        )


def read_records(
    sequences: list[Path], examples: pl.DataFrame, world: World, coding: Coding
) -> Records:
    """Return what is recorded of patients up to and including the day of their last input visit.

    A code that is listed under two diseases records both. Where two such diseases are recorded on
    one day, the less likely is taken for an echo of the other and dropped: the one that the patient
    has less often on other days, or else the rarer.

    Args:
        sequences: the shards (`behrt.sequences.frames.Sequences`).
        examples: subject_id and day of each patient (`behrt.simulation.ceiling.read_examples`).
        world, coding: of the simulation.
    """
    found = (
        examples.lazy()
        .select("subject_id", "day")
        .join(pl.scan_parquet(sequences), on="subject_id", how="left", maintain_order="left")
        .collect()
    )
    seen = (
        found.with_row_index("row")
        .select("row", "day", "visit_day", "code", "visit")
        .explode("code", "visit")
        .with_columns(on=pl.col("visit_day").list.get(pl.col("visit")))
        .filter(pl.col("on") <= pl.col("day"))
        .sort("row", "code", "on")
    )
    row, disease, on = (seen[name].to_numpy().astype(np.int64) for name in ("row", "code", "on"))
    common = world.diseases["lifetime_risk"].to_numpy()
    kept = ~_echoes(row, disease, on, coding, common)
    month = found["birth_month"].to_numpy().astype(np.float64)
    # January stands for an unknown month of birth.
    middle = np.where(month % 12 == 0, 6.0, 0.5)
    return Records(
        found["sex"].to_numpy() == _FEMALE,
        (month - 12 * 1970 + middle) * MONTH,
        found["practice"].to_numpy().astype(np.int64) - FIRST_PRACTICE,
        found["follow_up_start"].to_numpy().astype(np.int64),
        found["day"].to_numpy().astype(np.int64),
        row[kept],
        disease[kept],
        on[kept],
    )


def _echoes(
    row: np.ndarray, disease: np.ndarray, on: np.ndarray, coding: Coding, common: np.ndarray
) -> np.ndarray:
    """Return bool: the recordings that are likelier the echo of another one of the same day."""
    maps = np.maximum(coding.gp, coding.hospital)
    np.fill_diagonal(maps, 0)
    partners = [np.flatnonzero((maps[d] > 0) | (maps[:, d] > 0)).tolist() for d in range(len(maps))]
    place = {
        key: i
        for i, key in enumerate(zip(row.tolist(), disease.tolist(), on.tolist(), strict=True))
    }
    alone: dict[tuple[int, int], int] = {}
    together: list[tuple[int, int, int, int]] = []
    for patient, one, day in place:
        others = [other for other in partners[one] if (patient, other, day) in place]
        together.extend((patient, one, other, day) for other in others if one < other)
        if not others:
            alone[patient, one] = alone.get((patient, one), 0) + 1
    echo = np.zeros(len(row), dtype=bool)
    for patient, one, other, day in together:
        likelihood = {
            (source, copy): (
                alone.get((patient, source), 0) > alone.get((patient, copy), 0),
                maps[source, copy] * common[source],
            )
            for source, copy in ((one, other), (other, one))
        }
        source, copy = max(likelihood, key=lambda pair: likelihood[pair])
        echo[place[patient, copy, day]] = maps[source, copy] > 0
    return echo
