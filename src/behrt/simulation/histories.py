"""What a block's process shows, as arrays that prescriptions, tests and procedures are drawn from.

Each draw of these is a hash of the person, the thing that is drawn and a day. So it depends on
nothing else: not on other inputs, and not on what happens later.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from behrt.hashing import uniform
from behrt.simulation.days import YEAR, pack, unpack
from behrt.simulation.process import Block
from behrt.simulation.recordings import DUE
from behrt.simulation.world import World

NEVER = 2**19 - 1
"""The day (int64) of what has not happened; later than all others."""

_THINGS = 1024
_DAYS = 2**15


@dataclass(frozen=True)
class Histories:
    """The people of a block, and what has begun and been recorded. Days are int64.

    Attributes:
        seed: of the simulation.
        person: int64 (people).
        female: bool (people).
        born: day of birth (people).
        start, end: first and last day on which the practice can record anything (people).
        susceptibility: float32 (people), multiplies the person's spontaneous risks.
        onset: int64 (diseases, people), the day of onset, `NEVER` for none.
        recorded: int64 (diseases, people), the day of the first record, delivered or not.
        row, disease, day, hospital: of each record, sorted by row and day.
        due: int64, keys that `pack` a disease and a person's row as `disease * people + row` with
            the days on which the disease began or flared up, sorted.
        visits: int64, keys that `pack` a row and the day of a general practice contact, sorted.
    """

    seed: int
    person: np.ndarray
    female: np.ndarray
    born: np.ndarray
    start: np.ndarray
    end: np.ndarray
    susceptibility: np.ndarray
    onset: np.ndarray
    recorded: np.ndarray
    row: np.ndarray
    disease: np.ndarray
    day: np.ndarray
    hospital: np.ndarray
    due: np.ndarray
    visits: np.ndarray

    @cached_property
    def visit(self) -> tuple[np.ndarray, np.ndarray]:
        """The row and day of each visit."""
        return unpack(self.visits)

    def age(self, row: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return ages in years."""
        years: np.ndarray = (day - self.born[row]) / YEAR
        return years

    def uniform(
        self, use: str, row: np.ndarray, thing: np.ndarray | int, day: np.ndarray | int = 0
    ) -> np.ndarray:
        """Return a number in [0, 1) per element, for a person, a thing (below 1024) and a day."""
        ids = (self.person[row] * _THINGS + thing) * _DAYS + day
        return uniform(ids, self.seed, use)

    def normal(
        self, use: str, row: np.ndarray, thing: np.ndarray | int, day: np.ndarray | int = 0
    ) -> np.ndarray:
        """Return a standard normal number per element (`uniform`)."""
        drawn: np.ndarray = ndtri(np.maximum(self.uniform(use, row, thing, day), 1e-12))
        return drawn

    def latest_due(self, disease: int, row: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return the last day up to `day` on which a disease began or flared up, or `-NEVER`."""
        case = disease * len(self.person) + row
        place = np.searchsorted(self.due, pack(case, day), side="right") - 1
        owner, latest = unpack(self.due[np.maximum(place, 0)])
        return np.where((place >= 0) & (owner == case), latest, -NEVER)


def histories_of(world: World, block: Block, seed: int) -> Histories:
    """Return the histories of a block's people."""
    people = block.people.sort("person")
    person = people["person"].to_numpy()
    practice = people["practice"].to_numpy().astype(np.int64)
    end = world.practices.sort("practice")["lcd"].to_numpy().astype(np.int64)[practice - 1]
    for column in ("registration_end", "death_day"):
        end = np.minimum(end, people[column].fill_null(NEVER).to_numpy())
    start = people["registration_start"].to_numpy().astype(np.int64)
    shape = len(world.diseases), len(person)

    def first_days(row: np.ndarray, disease: np.ndarray, day: np.ndarray) -> np.ndarray:
        first = np.full(shape, NEVER, dtype=np.int64)
        np.minimum.at(first, (disease, row), day)
        return first

    diagnoses = block.diagnoses.sort("person", "day", maintain_order=True)
    row = np.searchsorted(person, diagnoses["person"].to_numpy())
    disease = diagnoses["disease"].to_numpy().astype(np.int64)
    day = diagnoses["day"].to_numpy().astype(np.int64)
    hospital = diagnoses["setting"].to_numpy() == 1
    own = diagnoses["reason"].to_numpy() == DUE
    begun_row = np.searchsorted(person, block.onsets["person"].to_numpy())
    begun = block.onsets["disease"].to_numpy().astype(np.int64)
    begun_day = block.onsets["day"].to_numpy().astype(np.int64)
    due = [
        pack(disease[own] * len(person) + row[own], day[own]),
        pack(begun * len(person) + begun_row, begun_day),
    ]
    contact = np.searchsorted(person, block.contacts["person"].to_numpy())
    in_practice = ~hospital & (day >= start[row]) & (day <= end[row])
    visits = [
        pack(contact, block.contacts["day"].to_numpy()),
        pack(row[in_practice], day[in_practice]),
    ]
    return Histories(
        seed=seed,
        person=person,
        female=people["sex"].to_numpy() == 2,
        born=people["birth_day"].to_numpy().astype(np.int64),
        start=start,
        end=end,
        susceptibility=people["susceptibility"].to_numpy(),
        onset=first_days(begun_row, begun, begun_day),
        recorded=first_days(row, disease, day),
        row=row,
        disease=disease,
        day=day,
        hospital=hospital,
        due=np.unique(np.concatenate(due)),
        visits=np.unique(np.concatenate(visits)),
    )
