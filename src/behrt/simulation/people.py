"""Simulated people: sex, birth, practice, registration, susceptibility and death."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from behrt.hashing import mix
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import YEAR, day_number
from behrt.simulation.mechanisms import SUBTYPES
from behrt.simulation.world import World


@dataclass
class People:
    """People as arrays, one element per person. Days are float32, since 1970-01-01.

    Attributes:
        person: int64, the person's number.
        female: bool.
        birth: day of birth.
        start, end: first and last day of registration, unless death or the practice's last
            collection comes before the end.
        collected: the practice's last collection.
        practice: int32, the practice's number, from 1.
        recording: float32, the practice's factor (`behrt.simulation.world.World`).
        phase: int64, offset of the person's review visits, in days.
        susceptibility: float32, multiplies the person's spontaneous risks.
        death: day of death. `behrt.simulation.onsets.make_onsets` moves it forward.
    """

    person: np.ndarray
    female: np.ndarray
    birth: np.ndarray
    start: np.ndarray
    end: np.ndarray
    collected: np.ndarray
    practice: np.ndarray
    recording: np.ndarray
    phase: np.ndarray
    susceptibility: np.ndarray
    death: np.ndarray

    @property
    def last_day(self) -> np.ndarray:
        """The last day on which anything can be recorded."""
        day: np.ndarray = np.minimum(self.death, self.collected)
        return day

    @cached_property
    def subtype(self) -> np.ndarray:
        """The hidden subtypes (`behrt.simulation.mechanisms`), int64, a hash of the person."""
        return (mix(self.person, 0, "subtype") % np.uint64(SUBTYPES)).astype(np.int64)


def make_people(
    world: World,
    first_person: int,
    count: int,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> People:
    """Draw people `first_person` to `first_person + count - 1`."""
    row = random.integers(len(world.practices), size=count)
    collected = world.practices["lcd"].to_numpy()[row].astype(np.float32)
    female = random.random(count) < 0.505
    # A day on which the person is registered, and the age on that day. Ages are higher than in
    # England's population, because few young people visit often enough to be in the cohort.
    earliest = day_number("1995-01-01")
    known = earliest + random.random(count) * (collected - earliest)
    band = random.choice(9, count, p=[0.05, 0.04, 0.06, 0.09, 0.14, 0.19, 0.22, 0.15, 0.06])
    age = (band + random.random(count)) * np.where(band == 8, 10.5, 10.0)
    birth = np.floor(known - age * YEAR)
    stay = settings.years_registered * YEAR * np.where((age > 18) & (age < 33), 0.5, 1.0)
    start = np.maximum(np.floor(known - random.exponential(stay)), birth)
    end = np.floor(known + 1 + random.exponential(stay))
    spread = settings.susceptibility_spread
    return People(
        person=np.arange(first_person, first_person + count, dtype=np.int64),
        female=female,
        birth=birth.astype(np.float32),
        start=start.astype(np.float32),
        end=end.astype(np.float32),
        collected=collected,
        practice=world.practices["practice"].to_numpy()[row],
        recording=world.practices["recording"].to_numpy()[row],
        phase=random.integers(int(settings.review_spacing), size=count).astype(np.int64),
        susceptibility=np.exp(spread * random.standard_normal(count) - spread**2 / 2).astype(
            np.float32
        ),
        death=baseline_death(female, birth, start, random, settings).astype(np.float32),
    )


def baseline_death(
    female: np.ndarray,
    birth: np.ndarray,
    start: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return the day of death from other causes than the diseases, given life at `start`.

    The rate of death grows exponentially with age (Gompertz).
    """
    growth, rate = settings.fatal_growth, _death_rate(female, birth, start, settings)
    years = np.log1p(random.exponential(size=len(birth)) * growth / rate) / growth
    day: np.ndarray = np.floor(start + years * YEAR + 1)
    return day


def _death_rate(
    female: np.ndarray, birth: np.ndarray, start: np.ndarray, settings: ProcessSettings
) -> np.ndarray:
    """Return the yearly rate of death from other causes than the diseases at a day."""
    rate = settings.fatal_rate * np.where(female, 0.8, 1.25)
    return np.asarray(rate * np.exp(settings.fatal_growth * ((start - birth) / YEAR - 60)))


def alive_on(
    female: np.ndarray,
    birth: np.ndarray,
    start: np.ndarray,
    day: np.ndarray,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return the probability that `baseline_death` is on `day` or later.

    It is that of people who are alive at `start`, which is before `day`.
    """
    growth, rate = settings.fatal_growth, _death_rate(female, birth, start, settings)
    years = np.maximum(day - 1 - start, 0) / YEAR
    probability: np.ndarray = np.exp(-rate / growth * np.expm1(growth * years))
    return probability


def people_frame(people: People) -> pl.DataFrame:
    """Return people in the form of `behrt.simulation.process.Block`."""
    died = people.death <= people.collected
    left = (people.end < people.death) & (people.end <= people.collected)
    died_here = died & ~left
    end = np.where(left, people.end, people.death)
    return pl.DataFrame(
        {
            "person": people.person,
            "sex": np.where(people.female, 2, 1).astype(np.int8),
            "birth_day": people.birth.astype(np.int32),
            "death_day": _days_or_null(people.death, died),
            "practice": people.practice,
            "registration_start": people.start.astype(np.int32),
            "registration_end": _days_or_null(end, left | died_here),
            "transferred_out": left,
            "review_phase": people.phase.astype(np.int16),
            "susceptibility": people.susceptibility,
        }
    )


def _days_or_null(days: np.ndarray, known: np.ndarray) -> pl.Series:
    return pl.Series(np.where(known, days, 0).astype(np.int32)).set(pl.Series(~known), None)
