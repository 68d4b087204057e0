"""When diseases are recorded: at onset, in flare-ups, at reviews, and in admissions."""

from dataclasses import dataclass, fields

import numpy as np

from behrt.hashing import mix
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import pack, unpack
from behrt.simulation.people import People
from behrt.simulation.world import Parameters

DUE, ADMISSION, COMORBIDITY = 0, 1, 2
"""Why a diagnosis was recorded.

`DUE`: the disease itself (its onset, a review, a flare-up). `ADMISSION`: a further admission for
the disease. `COMORBIDITY`: coded in an admission for another disease.
"""


@dataclass
class Cases:
    """Diseases that people have, one element per person and disease.

    Attributes:
        row: int64, the person's row in the block.
        disease: int64.
        day: int64, of the onset or of the last recording so far.
        last_day: int64, the last day on which the person can have a recording.
    """

    row: np.ndarray
    disease: np.ndarray
    day: np.ndarray
    last_day: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: np.ndarray) -> "Cases":
        """Return the elements that a mask or index selects."""
        return Cases(self.row[keep], self.disease[keep], self.day[keep], self.last_day[keep])


@dataclass
class Recordings:
    """Recordings of diseases, one element each.

    Attributes:
        row: int32, the person's row in the block.
        disease: int16.
        day: int32.
        hospital: bool, in hospital rather than by a GP.
        reason: int8, `DUE`, `ADMISSION` or `COMORBIDITY`.
    """

    row: np.ndarray
    disease: np.ndarray
    day: np.ndarray
    hospital: np.ndarray
    reason: np.ndarray

    @classmethod
    def of(cls, cases: Cases, hospital: np.ndarray, reason: int) -> "Recordings":
        """Return one recording per case, on the case's day."""
        return cls(
            cases.row.astype(np.int32),
            cases.disease.astype(np.int16),
            cases.day.astype(np.int32),
            hospital,
            np.full(len(cases), reason, dtype=np.int8),
        )

    @classmethod
    def join(cls, parts: list["Recordings"]) -> "Recordings":
        """Return the recordings of all parts, in order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def take(self, keep: np.ndarray) -> "Recordings":
        """Return the elements that a mask or index selects."""
        return Recordings(*(getattr(self, field.name)[keep] for field in fields(self)))


def cases_of(onset: np.ndarray, people: People) -> Cases:
    """Return the diseases (diseases, people) that begin up to each person's last day."""
    ends = people.last_day
    disease, row = np.nonzero(onset <= ends)
    return Cases(row, disease, onset[disease, row].astype(np.int64), ends[row].astype(np.int64))


def make_recordings(
    parameters: Parameters,
    people: People,
    onset: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> Recordings:
    """Return all recordings from `settings.records_from` on, repeats within a visit included.

    Args:
        parameters: of the diseases.
        people: who have them.
        onset: float32 (diseases, people), days.
        random: draws.
        settings: of the process.
    """
    cases = cases_of(onset, people)
    chronic = parameters.chronic[cases.disease]
    parts = flare_ups(parameters, cases.take(~chronic), random)
    cases = cases.take(chronic)
    parts += reviews(parameters, people, cases, random, settings)
    since = np.maximum(cases.day, settings.records_from)
    parts.append(further_admissions(parameters, cases, since, random))
    own = Recordings.join(parts)
    own = own.take(own.day >= settings.records_from)
    coded = comorbidities(own, cases, len(people.person), random, settings)
    return Recordings.join([own, coded])


def flare_ups(
    parameters: Parameters, cases: Cases, random: np.random.Generator
) -> list[Recordings]:
    """Return the recordings of `once` and `recurrent` diseases, from their onsets on."""
    made = []
    while len(cases):
        hospital = random.random(len(cases)) < parameters.hospital[cases.disease]
        made.append(Recordings.of(cases, hospital, DUE))
        cases = cases.take(random.random(len(cases)) < parameters.continues[cases.disease])
        refractory = parameters.refractory[cases.disease]
        wait = parameters.interval[cases.disease] - refractory
        wait = refractory + random.exponential(size=len(cases)) * wait
        cases.day = cases.day + np.ceil(wait).astype(np.int64)
        cases = cases.take(cases.day <= cases.last_day)
    return made


def reviews(
    parameters: Parameters,
    people: People,
    cases: Cases,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> list[Recordings]:
    """Return the recordings of `chronic` diseases other than admissions, from their onsets on.

    A disease that began before the first day of records starts at a random point of its interval,
    unless its recordings have ended by then.
    """
    spacing, first_day = settings.review_spacing, settings.records_from
    interval = parameters.interval[cases.disease]
    old = cases.day < first_day
    hospital = (random.random(len(cases)) < parameters.hospital[cases.disease]) & ~old
    made = [Recordings.of(cases, hospital, DUE).take(~old)]
    intervals = np.where(old, (first_day - cases.day) / interval, 0.0)
    entry = first_day - np.ceil(random.random(len(cases)) * interval)
    cases = Cases(
        cases.row, cases.disease, np.where(old, entry, cases.day).astype(np.int64), cases.last_day
    )
    continues = parameters.continues[cases.disease] ** (1 + np.ceil(intervals))
    running = random.random(len(cases)) < continues
    while running.any():
        cases = cases.take(running)
        row, disease = cases.row, cases.disease
        chance = parameters.review_probability(disease, people.recording[row], spacing)
        earliest = cases.day + parameters.refractory[disease]
        review = next_review(people.phase[row], earliest, spacing)
        review += random.geometric(chance) - 1
        cases.day = review_day(people.person[row], people.phase[row], review, spacing)
        cases = cases.take(cases.day <= cases.last_day)
        made.append(Recordings.of(cases, np.zeros(len(cases), dtype=bool), DUE))
        running = random.random(len(cases)) < parameters.continues[cases.disease]
    return made


def review_day(
    person: np.ndarray, phase: np.ndarray, review: np.ndarray, spacing: float
) -> np.ndarray:
    """Return the day (int64) of a person's review visit of a given number.

    Reviews are `spacing` days apart, each moved by 0 to half a spacing. The move is a hash of the
    person and the number.
    """
    moved = mix(person * 4096 + review, 0, "review") % np.uint64(max(int(spacing / 2), 1))
    return phase + np.ceil(review * spacing).astype(np.int64) + moved.astype(np.int64)


def next_review(phase: np.ndarray, day: np.ndarray, spacing: float) -> np.ndarray:
    """Return the number (int64) of the first review that is certainly not before a day."""
    number: np.ndarray = np.ceil((day - phase) / spacing).astype(np.int64)
    return number


def further_admissions(
    parameters: Parameters, cases: Cases, since: np.ndarray, random: np.random.Generator
) -> Recordings:
    """Return admissions for `chronic` diseases, on days after `since` up to the last day."""
    span = np.maximum(cases.last_day - since, 0)
    possible = np.flatnonzero(parameters.admissions[cases.disease] > 0)
    expected = parameters.admissions[cases.disease[possible]] * span[possible]
    admitted = np.repeat(possible, random.poisson(expected))
    after = np.ceil(random.random(len(admitted)) * span[admitted]).astype(np.int64)
    made = cases.take(admitted)
    made.day = since[admitted] + after
    return Recordings.of(made, np.ones(len(admitted), dtype=bool), ADMISSION)


def comorbidities(
    own: Recordings,
    cases: Cases,
    people: int,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> Recordings:
    """Return the comorbidities that admissions code: chronic diseases that have begun before.

    Args:
        own: recordings of the diseases themselves; those in hospital are the admissions.
        cases: the chronic diseases, with their days of onset.
        people: how many people the block has.
        random: draws.
        settings: of the process.
    """
    cases = cases.take(np.argsort(cases.row, kind="stable"))
    held = np.bincount(cases.row, minlength=people)
    begins = np.cumsum(held) - held
    admitted, day = unpack(np.unique(pack(own.row[own.hospital], own.day[own.hospital])))
    # Pair each admission with each case of the same person.
    copies = held[admitted]
    ends = np.cumsum(copies)
    case = np.arange(ends[-1] if len(ends) else 0)
    case += np.repeat(begins[admitted] - (ends - copies), copies)
    day = np.repeat(day, copies)
    coded = random.random(len(case)) < settings.comorbidity_coding
    coded &= cases.day[case] < day
    made = cases.take(case[coded])
    made.day = day[coded]
    return Recordings.of(made, np.ones(len(made), dtype=bool), COMORBIDITY)
