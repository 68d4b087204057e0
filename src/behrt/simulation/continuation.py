"""The process continued at random from a day, which the forecasts of the oracle are compared with.

`behrt.simulation.oracle` forecasts in closed form. Here, the functions that simulated the people
(`behrt.simulation.process`) continue from the state at a day, many times, and the results are
counted. The state is the person, who is alive, the onsets so far, and the last recording of each
disease. Everything else is drawn until it agrees with the state: an onset, until it is after the
day; the recordings of a disease that has begun, from the last one on, until the next is after the
day; and a death from a disease, until it is not before the day. So nothing is approximate, and each
share has a Monte Carlo error.

Like the closed form, it ignores the flaws of the delivery. Unlike the closed form, it accounts for
the mechanisms of `behrt.simulation.mechanisms`, since the same functions draw the onsets.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coder
from behrt.simulation.onsets import make_onsets
from behrt.simulation.people import People, baseline_death
from behrt.simulation.process import Block
from behrt.simulation.recordings import (
    DUE,
    Recordings,
    cases_of,
    comorbidities,
    flare_ups,
    further_admissions,
    reviews,
)
from behrt.simulation.state import latest_days
from behrt.simulation.visits import emergency_probability, once_per_visit
from behrt.simulation.world import Parameters, World

AT_ONCE = 20_000
"""Continuations made at a time: it bounds memory, and the results depend on it."""

_ATTEMPTS = 1_000


@dataclass(frozen=True)
class Continuations:
    """Continuations of some patients, and the phenotypes that they record.

    Attributes:
        patients: int64, one element per continuation: the patient's row.
        followed: bool, one element per continuation: alive on the last day.
        death: float32, one element per continuation: the day of death, which may be later.
        row: int64, one element per recorded phenotype: the continuation.
        day: int64, its day since 1970-01-01, after the day from which the process is continued.
        phenotype: int64. Each is there once per continuation and day, sorted by these.
        stay_row: int64, one element per stay in hospital, sorted: the continuation.
        stay_day: int64, the day of admission.
        stay_emergency: float64, the probability that it is an emergency.
    """

    patients: np.ndarray
    followed: np.ndarray
    death: np.ndarray
    row: np.ndarray
    day: np.ndarray
    phenotype: np.ndarray
    stay_row: np.ndarray
    stay_day: np.ndarray
    stay_emergency: np.ndarray


def continue_process(
    world: World,
    truth: Block,
    day: np.ndarray,
    until: np.ndarray,
    copies: int,
    seed: int,
    settings: ProcessSettings,
    coder: Coder,
    other_deaths: bool = True,
) -> Iterator[Continuations]:
    """Yield continuations of the days after `day` up to `until`, for some patients at a time.

    The same arguments give the same continuations.

    Args:
        world, settings: of the simulation.
        truth: of the patients (`behrt.simulation.ceiling.read_truth`).
        day: int64, for each row of `truth.people` the day up to which everything is known; the
            person is alive.
        until: int64, the last day.
        copies: continuations per patient.
        seed: of the continuations.
        coder: draws and maps the codes of records.
        other_deaths: whether people die from other causes than the diseases. Without, a share of
            continuations can be multiplied by the probability of that
            (`behrt.simulation.people.alive_on`), which has no Monte Carlo error.
    """
    parameters = world.parameters
    begun, last = _known(truth, day, len(world.diseases), settings)
    step = max(AT_ONCE // copies, 1)
    for first in range(0, len(day), step):
        random = np.random.default_rng([seed, 3, first])
        chosen = np.repeat(np.arange(first, min(first + step, len(day))), copies)
        people = _people(world, truth.people[chosen], day[chosen], until[chosen], random, settings)
        if not other_deaths:
            people.death = np.full_like(people.death, np.inf)
        onset, _ = make_onsets(parameters, people, random, begun[:, chosen])
        made, visit = _recordings(parameters, people, onset, last[:, chosen], random, settings)
        place, phenotype = coder.draw(made.disease, made.hospital, random)
        found = np.stack([made.row[place], made.day[place], phenotype], axis=1)
        row, recorded, phenotype = np.unique(found.astype(np.int64), axis=0).T
        followed = people.death >= people.collected
        begins = np.flatnonzero(np.diff(visit, prepend=-1))
        stays = made.take(begins[made.hospital[begins]])
        yield Continuations(
            chosen,
            followed,
            people.death,
            row,
            recorded,
            phenotype,
            stays.row.astype(np.int64),
            stays.day.astype(np.int64),
            emergency_probability(stays.reason),
        )


def tally(
    continuations: Iterable[Continuations],
    label_end: np.ndarray,
    diseases: int,
    next_visit: bool,
    parts: int = 1,
    weigh: Callable[[Continuations], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Count continuations that are examples of a task, and those with each disease in the label.

    The label is the diseases of the next visit (the first day with a record that maps to a disease)
    or, for patients who are followed to the end, of all days. A continuation with an empty label is
    not an example.

    Args:
        continuations: of the patients.
        label_end: int64, one element per patient, the last day that may be in the label.
        diseases: the number of diseases.
        next_visit: whether the label is that of the next visit.
        parts: the number of parts into which each patient's continuations are divided, in turn.
        weigh: returns the weights of continuations; by default each has weight 1.

    Returns:
        The weight of examples, float64 (parts, patients), and of those with each disease in the
        label, float32 (parts, patients, diseases).
    """
    examples = np.zeros((parts, len(label_end)))
    counts = np.zeros((parts, len(label_end), diseases), dtype=np.float32)
    for one in continuations:
        weight = np.ones(len(one.patients)) if weigh is None else weigh(one)
        first_day = one.day[np.searchsorted(one.row, one.row)]
        kept = one.day == first_day if next_visit else one.followed[one.row]
        kept &= one.day <= label_end[one.patients[one.row]]
        pair = np.unique(one.row[kept] * diseases + one.phenotype[kept])
        row, phenotype = np.divmod(pair, diseases)
        place = np.arange(len(one.patients)) - np.searchsorted(one.patients, one.patients)
        part = place % parts
        np.add.at(counts, (part[row], one.patients[row], phenotype), weight[row])
        some = np.unique(row)
        np.add.at(examples, (part[some], one.patients[some]), weight[some])
    return examples, counts


def shares(examples: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return float64 (patients, diseases): the share of examples with each disease in the label.

    It is 0 for a patient without an example. The arguments are the results of `tally`.
    """
    total = examples.sum(axis=0)[:, None]
    share: np.ndarray = counts.sum(axis=0) / np.where(total > 0, total, 1)
    return share


def _known(
    truth: Block, day: np.ndarray, diseases: int, settings: ProcessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the days of onset and of the last recording so far, float32 (diseases, people).

    Where there is none, they are infinity (`NEVER`) and the day before records start.
    """
    person = truth.people["person"]
    onset = latest_days(truth.onsets, person, day, diseases)
    last = latest_days(truth.diagnoses.filter(pl.col("reason") == DUE), person, day, diseases)
    last[np.isinf(last)] = settings.records_from - 1
    return onset.T.astype(np.float32), last.T.astype(np.float32)


def _people(
    world: World,
    known: pl.DataFrame,
    day: np.ndarray,
    until: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> People:
    """Return people who are alive on a day each, from which the process continues."""
    practice = known["practice"].to_numpy()
    recording = world.practices.sort("practice")["recording"].to_numpy()[practice - 1]
    female = known["sex"].to_numpy() == 2
    birth = known["birth_day"].to_numpy().astype(np.float32)
    start, collected = day.astype(np.float32), until.astype(np.float32)
    return People(
        person=known["person"].to_numpy(),
        female=female,
        birth=birth,
        start=start,
        end=collected,
        collected=collected,
        practice=practice,
        recording=recording,
        phase=known["review_phase"].to_numpy().astype(np.int64),
        susceptibility=known["susceptibility"].to_numpy(),
        death=baseline_death(female, birth, start, random, settings).astype(np.float32),
    )


def _recordings(
    parameters: Parameters,
    people: People,
    onset: np.ndarray,
    last: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> tuple[Recordings, np.ndarray]:
    """Return what is recorded after `people.start`, as `once_per_visit` does.

    Args:
        parameters, people, settings: of the process.
        onset: float32 (diseases, people), days.
        last: float32 (diseases, people), the days of the last recording up to `people.start`.
        random: draws.
    """
    begun = cases_of(onset, people)
    now = people.start.astype(np.int64)

    # Recordings continue from the last one or, for a disease not recorded so far, from the onset.
    held = last[begun.disease, begun.row].astype(np.int64)
    since = np.maximum(begun.day, np.where(held < settings.records_from, begun.day, held))
    cases = replace(begun, day=since)
    parts = []
    contradicts = np.zeros(onset.shape, dtype=bool)
    for _ in range(_ATTEMPTS):
        chronic = parameters.chronic[cases.disease]
        drawn = flare_ups(parameters, cases.take(~chronic), random)
        drawn += reviews(parameters, people, cases.take(chronic), random, settings)
        made = Recordings.join(drawn)
        place = made.disease, made.row
        wrong = (made.day > last[place]) & (made.day <= now[made.row])
        contradicts[made.disease[wrong], made.row[wrong]] = True
        parts.append(made.take(~contradicts[place] & (made.day > now[made.row])))
        cases = cases.take(contradicts[cases.disease, cases.row])
        if len(cases) == 0:
            break
        contradicts[cases.disease, cases.row] = False

    chronic_cases = begun.take(parameters.chronic[begun.disease])
    onwards = np.maximum(chronic_cases.day, now[chronic_cases.row])
    parts.append(further_admissions(parameters, chronic_cases, onwards, random))
    own = Recordings.join(parts)
    coded = comorbidities(own, chronic_cases, len(now), random, settings)
    return once_per_visit(Recordings.join([own, coded]), random)
