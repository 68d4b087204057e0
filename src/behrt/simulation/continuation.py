"""The process continued from the day of a forecast, by chance: the oracle of the oracle.

`behrt.simulation.oracle` forecasts in closed form. Here, the functions that made the people
(`behrt.simulation.process`) go on from what is true at a day, many times over, and what they
record is counted. Given are the person, that they are alive, which diseases have begun and when,
and when each was last due and recorded. What a day does not settle is drawn anew until it agrees
with the past: an onset, until it comes after the day; the recordings of a disease that has begun,
from its last one on, until the next comes after the day; and whether a disease kills, until it
does not by then. So nothing is approximate, and every share has its Monte Carlo error.

Like the closed form, it takes no flaws of the delivery.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.simulation.coding import Coder
from behrt.simulation.process import (
    DUE,
    NEVER,
    Block,
    Crowd,
    Parameters,
    ProcessSettings,
    Recordings,
    World,
    baseline_death,
    comorbidities,
    flare_ups,
    further_admissions,
    make_onsets,
    once_a_visit,
    reviews,
)

AT_ONCE = 20_000
"""Continuations made at once: it bounds memory, and it is part of the seed."""
ATTEMPTS = 1_000


@dataclass(frozen=True)
class Continued:
    """What the continuations of some patients record, in the records' codes.

    Attributes:
        patients: rows of the patients (of those asked about), one a continuation, int64.
        followed: bool, one a continuation: alive on its last day.
        row: the continuation of each element, int64.
        day: of each element, int64, since 1970-01-01: after the day asked about.
        phenotype: what the code of a record of that day maps to; no element twice. Sorted by
            continuation and day.
    """

    patients: np.ndarray
    followed: np.ndarray
    row: np.ndarray
    day: np.ndarray
    phenotype: np.ndarray


def continue_process(
    world: World,
    truth: Block,
    day: np.ndarray,
    until: np.ndarray,
    copies: int,
    seed: int,
    settings: ProcessSettings,
    coder: Coder,
) -> Iterator[Continued]:
    """Yield continuations from the days after `day` up to `until`, of a share of patients each.

    The same arguments give the same continuations.

    Args:
        world, settings: of the simulation.
        truth: of the patients (`behrt.simulation.ceiling.read_truth`).
        day: one an element of `truth.people`; all is known up to then, and they are alive.
        until: the last days.
        copies: continuations of each patient.
        seed: of the continuations.
        coder: writes and maps records.
    """
    parameters = world.parameters
    begun, last = _known(truth, day, len(world.diseases), settings)
    step = max(AT_ONCE // copies, 1)
    for first in range(0, len(day), step):
        random = np.random.default_rng([seed, 3, first])
        chosen = np.repeat(np.arange(first, min(first + step, len(day))), copies)
        crowd = _crowd(world, truth.people[chosen], day[chosen], until[chosen], random, settings)
        onset, _ = make_onsets(parameters, crowd, random, begun[:, chosen])
        made = _recordings(parameters, crowd, onset, last[:, chosen], random, settings)
        place, phenotype = coder.draw(made.disease, made.hospital, random)
        found = np.stack([made.row[place], made.day[place], phenotype], axis=1)
        row, recorded, phenotype = np.unique(found.astype(np.int64), axis=0).T
        followed = crowd.death >= crowd.collected
        yield Continued(chosen, followed, row, recorded, phenotype)


def tally(
    continuations: Iterable[Continued],
    label_end: np.ndarray,
    diseases: int,
    next_visit: bool,
    parts: int = 1,
    weigh: Callable[[Continued], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Count the continuations that are a task's example, and those with each disease in its label.

    A label is what the next visit holds, a visit being a day with a record that maps to a
    disease; or all that is recorded, of those who are followed to the end. One with nothing in it
    is no example.

    Args:
        continuations: of the patients asked about.
        label_end: one a patient, the last day that may be in the label.
        diseases: how many.
        next_visit: whether the label is the next visit's.
        parts: the patients' continuations are dealt out in turn into as many.
        weigh: returns the weight of each of the continuations; by default they all count 1.

    Returns:
        float64 (parts, patients), and float32 (parts, patients, diseases).
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
    """Return float64 (patients, diseases): how often each is in the label of an example.

    It is 0 where no continuation is an example; arguments are those that `tally` returns.
    """
    total = examples.sum(axis=0)[:, None]
    share: np.ndarray = counts.sum(axis=0) / np.where(total > 0, total, 1)
    return share


def _known(
    truth: Block, day: np.ndarray, diseases: int, settings: ProcessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return days (float32, (diseases, people)) of onset and last recording up to a day each.

    They are NEVER where there is none, but the recording is the day before records begin.
    """
    asked = pl.DataFrame(
        {"person": truth.people["person"], "row": np.arange(len(day)), "until": day}
    )

    def latest(events: pl.DataFrame, none: float | np.float32) -> np.ndarray:
        found = (
            events.join(asked, on="person")
            .filter(pl.col("day") <= pl.col("until"))
            .group_by("row", "disease")
            .agg(pl.col("day").max())
        )
        days = np.full((diseases, len(day)), none, dtype=np.float32)
        days[found["disease"].to_numpy(), found["row"].to_numpy()] = found["day"].to_numpy()
        return days

    due = truth.diagnoses.filter(pl.col("reason") == DUE)
    return latest(truth.onsets, NEVER), latest(due, settings.records_from - 1)


def _crowd(
    world: World,
    people: pl.DataFrame,
    day: np.ndarray,
    until: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> Crowd:
    """Return people as the process has them, who are known and alive up to a day each."""
    practice = people["practice"].to_numpy()
    recording = world.practices.sort("practice")["recording"].to_numpy()[practice - 1]
    female = people["sex"].to_numpy() == 2
    birth = people["birth_day"].to_numpy().astype(np.float32)
    start, collected = day.astype(np.float32), until.astype(np.float32)
    return Crowd(
        person=people["person"].to_numpy(),
        female=female,
        birth=birth,
        start=start,
        end=collected,
        collected=collected,
        practice=practice,
        recording=recording,
        phase=people["review_phase"].to_numpy().astype(np.int64),
        susceptibility=people["susceptibility"].to_numpy(),
        death=baseline_death(female, birth, start, random, settings).astype(np.float32),
    )


def _recordings(
    parameters: Parameters,
    crowd: Crowd,
    onset: np.ndarray,
    last: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> Recordings:
    """Return what is recorded after `crowd.start`, given each disease's last recording up to then.

    Args:
        parameters, crowd, settings: of the process.
        onset, last: float32 (diseases, people), days.
        random: draws.
    """
    ends = crowd.last_day
    disease, row = np.nonzero(onset <= ends)
    begins = onset[disease, row].astype(np.int64)
    last_day = ends[row].astype(np.int64)
    now = crowd.start.astype(np.int64)

    # Recordings go on from the last one; those of a disease not recorded so far, from its onset.
    held = last[disease, row].astype(np.int64)
    since = np.maximum(begins, np.where(held < settings.records_from, begins, held))
    chronic = parameters.chronic[disease]
    parts = []
    left = np.arange(len(row))
    contradicts = np.zeros(onset.shape, dtype=bool)
    for _ in range(ATTEMPTS):
        often, seldom = left[chronic[left]], left[~chronic[left]]
        drawn = flare_ups(
            parameters, row[seldom], disease[seldom], since[seldom], last_day[seldom], random
        )
        drawn += reviews(
            parameters,
            crowd,
            row[often],
            disease[often],
            since[often],
            last_day[often],
            random,
            settings,
        )
        made = Recordings.join(drawn)
        place = made.disease, made.row
        wrong = (made.day > last[place]) & (made.day <= now[made.row])
        contradicts[made.disease[wrong], made.row[wrong]] = True
        parts.append(made.take(~contradicts[place] & (made.day > now[made.row])))
        left = left[contradicts[disease[left], row[left]]]
        if len(left) == 0:
            break
        contradicts[disease[left], row[left]] = False

    row, disease, begins, last_day = (
        row[chronic],
        disease[chronic],
        begins[chronic],
        last_day[chronic],
    )
    onwards = np.maximum(begins, now[row])
    parts.append(further_admissions(parameters, row, disease, onwards, last_day, random))
    own = Recordings.join(parts)
    coded = comorbidities(own, row, disease, begins, len(now), random, settings)
    made, _ = once_a_visit(Recordings.join([own, coded]), random)
    return made
