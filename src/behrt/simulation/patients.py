"""The patients of a block as in a delivery: ids, dates, and who is acceptable or linked."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from behrt.settings.simulation import Flaws
from behrt.simulation.days import NO_DAY, day_number
from behrt.simulation.flaws import random_mask

SUFFIX = 100_000
"""A patid, and a staff id, ends in the five digits of its practice's pracid."""

FIRST_PRACTICE = 20_000
LAST_ENGLISH_REGION = 10

HES_COVERAGE = (date(1997, 4, 1), date(2017, 12, 31))
ONS_COVERAGE = (date(1998, 1, 2), date(2018, 3, 31))


def practice_ids(practice: np.ndarray) -> np.ndarray:
    """Return the pracid (int64, five digits) of practices numbered from 1."""
    return FIRST_PRACTICE + practice.astype(np.int64)


def staff_per_practice(practice: np.ndarray) -> np.ndarray:
    """Return the number of members of staff (int64) of practices numbered from 1."""
    return 5 + practice.astype(np.int64) * 7 % 11


def generator(seed: int, first_person: int, use: str) -> np.random.Generator:
    """Return the generator for one use in the block that starts at `first_person`."""
    return np.random.default_rng([seed, first_person, *use.encode()])


@dataclass(frozen=True)
class Patients:
    """One element per person, in order of person. Days are int32, `NO_DAY` for none.

    Attributes:
        person, patid, pracid: int64.
        practice: practice number from 1, int64.
        sex: 1 male, 2 female, int8.
        born, died: days of birth and death.
        registered: first day of registration.
        left: last day of registration; `NO_DAY` while registered.
        opens, closes: the practice's up-to-standard and last-collection days.
        acceptable: bool, the record is of acceptable quality.
        listed: bool, the linkage eligibility file has the patient (practice in England).
        linked: bool, HES and ONS data are linked.
    """

    person: np.ndarray
    patid: np.ndarray
    pracid: np.ndarray
    practice: np.ndarray
    sex: np.ndarray
    born: np.ndarray
    died: np.ndarray
    registered: np.ndarray
    left: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    acceptable: np.ndarray
    listed: np.ndarray
    linked: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def rows_of(self, person: pl.Series) -> np.ndarray:
        """Return the position (int64) of each person."""
        return np.searchsorted(self.person, person.to_numpy())


def patients_of(people: pl.DataFrame, practices: pl.DataFrame, flaws: Flaws, seed: int) -> Patients:
    """Return the patients of a block; who is acceptable and who is linked is drawn."""
    people = people.sort("person")
    first = int(people["person"][0])
    practice = people["practice"].to_numpy().astype(np.int64)
    at = practices.sort("practice")[practice - 1]
    pracid = practice_ids(practice)
    draws = generator(seed, first, "patients")
    acceptable = ~random_mask(draws, len(people), flaws.unacceptable)
    english = at["region"].to_numpy() <= LAST_ENGLISH_REGION
    linkable = ~random_mask(draws, len(people), flaws.not_linkable)
    return Patients(
        person=people["person"].to_numpy(),
        patid=people["person"].to_numpy() * SUFFIX + pracid,
        pracid=pracid,
        practice=practice,
        sex=people["sex"].to_numpy(),
        born=_days(people["birth_day"]),
        died=_days(people["death_day"]),
        registered=_days(people["registration_start"]),
        left=_days(people["registration_end"]),
        opens=_days(at["uts"]),
        closes=_days(at["lcd"]),
        acceptable=acceptable,
        listed=english,
        linked=english & at["linked"].to_numpy() & linkable,
    )


def _days(days: pl.Series) -> np.ndarray:
    return days.cast(pl.Int32).fill_null(NO_DAY).to_numpy()


def within(days: np.ndarray, window: tuple[date, date]) -> np.ndarray:
    """Return whether each day is in a window, both ends included."""
    start, end = (day_number(day) for day in window)
    return (days >= start) & (days <= end)
