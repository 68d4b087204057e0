"""Recordings grouped into visits and hospital stays, and contacts without a diagnosis."""

import numpy as np
import polars as pl

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import YEAR, pack, unpack
from behrt.simulation.people import People
from behrt.simulation.recordings import ADMISSION, COMORBIDITY, Recordings

_FAR_AWAY = 2**20
_DAY_CASES = 0.35
"""Share of stays that end on the day of admission."""


def once_per_visit(made: Recordings, random: np.random.Generator) -> tuple[Recordings, np.ndarray]:
    """Return recordings sorted by visit, each disease once per visit, and their visits (int64).

    A visit is a person's day in one setting; visits are numbered from 0.
    """
    made = made.take(random.permutation(len(made.row)))
    # A disease's own recording comes before a coded one, so it is the one that is kept.
    made = made.take(np.lexsort((made.reason == COMORBIDITY, _visit_key(made))))
    visit = np.cumsum(np.diff(_visit_key(made), prepend=-1) != 0) - 1
    _, kept = np.unique(pack(visit, made.disease), return_index=True)
    kept.sort()
    return made.take(kept), visit[kept]


def _visit_key(made: Recordings) -> np.ndarray:
    key: np.ndarray = pack(made.row, made.day) * 2 + made.hospital
    return key


def arrange_visits(
    made: Recordings, people: People, random: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return diagnoses and admissions in the form of `behrt.simulation.process.Block`.

    Repeats within a visit are dropped, admissions are numbered, and each gets a day of discharge.
    """
    made, visit = once_per_visit(made, random)
    begins = np.flatnonzero(np.diff(visit, prepend=-1))
    in_hospital = made.hospital[begins]
    owner = made.row[begins]
    stays = np.cumsum(in_hospital)
    first_of_person = np.searchsorted(owner, owner, side="left")
    number = stays - (stays[first_of_person] - in_hospital[first_of_person])
    spell = np.where(in_hospital, number, -1).astype(np.int32)
    place = np.arange(len(visit)) - begins[visit] + 1

    diagnoses = pl.DataFrame(
        {
            "person": people.person[made.row],
            "day": made.day,
            "disease": made.disease,
            "setting": made.hospital.astype(np.int8),
            "spell": spell[visit],
            "rank": np.where(made.hospital, np.minimum(place, 127), 0).astype(np.int8),
            "first": _is_first(made),
            "reason": made.reason,
        }
    )
    stay = begins[in_hospital]
    owner, admitted = made.row[stay], made.day[stay].astype(np.int64)
    age = (admitted - people.birth[owner]) / YEAR
    length = random.geometric(_leaving(age))
    length = np.where(random.random(len(stay)) < _DAY_CASES, 0, length)
    following = np.append(admitted[1:], 0)
    same = np.append(owner[1:] == owner[:-1], False)
    latest = np.where(same, following - 1, np.iinfo(np.int64).max)
    latest = np.minimum(latest, np.minimum(people.death[owner], _FAR_AWAY).astype(np.int64))
    admissions = pl.DataFrame(
        {
            "person": people.person[owner],
            "spell": number[in_hospital].astype(np.int32),
            "admitted_day": admitted.astype(np.int32),
            "discharged_day": np.minimum(admitted + length, latest).astype(np.int32),
            "emergency": random.random(len(stay)) < emergency_probability(made.reason[stay]),
        }
    )
    return diagnoses, admissions


def emergency_probability(reason: np.ndarray) -> np.ndarray:
    """Return the probability that a stay is an emergency, given the reason of its first record."""
    probability: np.ndarray = 0.45 + 0.3 * (reason == ADMISSION)
    return probability


def _leaving(age: np.ndarray) -> np.ndarray:
    """Return the probability of leaving on each day after that of admission, by age in years."""
    probability: np.ndarray = 1 / (1.5 + np.maximum(age, 0) / 12)
    return probability


def stay_probability(days: np.ndarray, age: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return P(a stay lasts some days) and P(it lasts at least as long), float64.

    The next stay or death may end it earlier.

    Args:
        days: int64, from 0 on.
        age: at admission, in years.
    """
    leaving = _leaving(age)
    longer = (1 - _DAY_CASES) * (1 - leaving) ** np.maximum(days - 1, 0)
    exactly = np.where(days == 0, _DAY_CASES, longer * leaving)
    return exactly, np.where(days == 0, 1.0, longer)


def _is_first(made: Recordings) -> np.ndarray:
    """Return bool: the first recording, in order, of a disease of a person."""
    _, index = np.unique(pack(made.row, made.disease), return_index=True)
    first = np.zeros(len(made.row), dtype=bool)
    first[index] = True
    return first


def make_contacts(
    people: People, diagnoses: pl.DataFrame, random: np.random.Generator, settings: ProcessSettings
) -> pl.DataFrame:
    """Return GP contacts without a diagnosis, while registered; older people have more."""
    since = np.maximum(people.start, settings.records_from).astype(np.int64)
    until = np.minimum(people.end, people.last_day).astype(np.int64)
    years = np.maximum(until - since, 0) / YEAR
    age = ((since + until) / 2 - people.birth) / YEAR
    rate = settings.contacts_per_year * (0.5 + age / 80) * np.where(people.female, 1.2, 0.8)
    count = random.poisson(rate * years)
    row = np.repeat(np.arange(len(count)), count)
    day = since[row] + np.floor(random.random(len(row)) * (until - since)[row]).astype(np.int64)
    gp = diagnoses.filter(pl.col("setting") == 0)
    diagnosed = pack(gp["person"].to_numpy() - people.person[0], gp["day"].to_numpy())
    row, day = unpack(np.setdiff1d(pack(row, day), diagnosed))
    return pl.DataFrame({"person": people.person[row], "day": day.astype(np.int32)})
