"""When diseases begin: competing causes in the order of the risk graph, and fatal onsets."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from behrt.simulation.days import YEAR
from behrt.simulation.people import People
from behrt.simulation.world import Edge, Parameters

NEVER = np.float32(np.inf)
"""The day (float32) of what does not happen."""

CHILDHOOD_MEAN, CHILDHOOD_SPREAD = 3.5, 2.5
FATALITY_AGE, FATALITY_SLOPE = 78.0, 0.07
_ATTEMPTS = 50


def spontaneous_share(parameters: Parameters, disease: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Return the share of a disease's spontaneous onsets that come before an age (years)."""

    def by_age(mean: np.ndarray | float, spread: np.ndarray | float) -> np.ndarray:
        unborn = ndtr(-mean / np.asarray(spread))
        return np.maximum(ndtr((age - mean) / spread) - unborn, 0.0) / (1 - unborn)

    adult = by_age(parameters.age_mean[disease], parameters.age_spread[disease])
    child = by_age(CHILDHOOD_MEAN, CHILDHOOD_SPREAD)
    weight = parameters.childhood[disease]
    share: np.ndarray = (1 - weight) * adult + weight * child
    return share


def _spontaneous_age(
    parameters: Parameters, disease: int, count: int, random: np.random.Generator
) -> np.ndarray:
    """Draw ages (years) by the inverse of `spontaneous_share`."""
    in_childhood = random.random(count) < parameters.childhood[disease]
    mean = np.where(in_childhood, CHILDHOOD_MEAN, parameters.age_mean[disease])
    spread = np.where(in_childhood, CHILDHOOD_SPREAD, parameters.age_spread[disease])
    unborn = ndtr(-mean / spread)
    drawn: np.ndarray = mean + spread * ndtri(unborn + random.random(count) * (1 - unborn))
    return drawn


def edge_probability(
    parameters: Parameters,
    edge: Edge,
    female: np.ndarray,
    age: np.ndarray,
    factor: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Return P(the parent causes the child), given sex and age (years) at the parent's onset.

    It is 0 for people whose sex cannot have the child disease. `factor` multiplies it.
    """
    possible = parameters.hazard[:, edge.child] > 0
    by_sex = np.array([1.0, edge.female_ratio]) / np.sqrt(edge.female_ratio) * possible
    slope = np.exp(edge.age_slope * (age - parameters.age_mean[edge.parent]))
    average = edge.probability * by_sex[female.astype(np.int64)] * slope
    acts: np.ndarray = np.minimum(average * factor, 0.95)
    return acts


def edge_factor(
    edge: Edge, people: People, rows: np.ndarray, day: np.ndarray, onset: np.ndarray
) -> np.ndarray:
    """Return what the probability of an edge is multiplied by, float64 (cases).

    Args:
        edge: from a parent to a child.
        people: of the block.
        rows: int64 (cases), which of them have the parent.
        day: float32 (cases), on which the child would begin.
        onset: float32 (diseases, people), the days of onset, at least of the parent and modifiers.
    """
    factor = np.ones(len(day))
    if edge.by_subtype:
        factor *= np.array(edge.by_subtype)[people.subtype[rows]]
    since = onset[edge.parent, rows]
    for modifier in edge.modifiers:
        began = onset[modifier.disease, rows]
        has = np.where(began < since, modifier.before, modifier.after)
        factor *= np.where(began < day, has, modifier.absent)
    return factor


def fatal_probability(parameters: Parameters, disease: int, age: np.ndarray) -> np.ndarray:
    """Return the probability that a disease is fatal, given the age (years) at its onset.

    It is the table's value at the age of 78, about which most deaths from disease occur, and
    lower at younger ages.
    """
    slope = np.exp(FATALITY_SLOPE * (age - FATALITY_AGE))
    fatal: np.ndarray = np.minimum(parameters.fatality[disease] * slope, 0.95)
    return fatal


@dataclass(frozen=True)
class _Cause:
    """One cause of one disease: the people it can act on (rows), and how to draw their onsets."""

    parent: int
    candidates: np.ndarray
    # Takes positions in `candidates`; returns days (float32), NEVER where the cause does not act.
    draw: Callable[[np.ndarray], np.ndarray]


def _spontaneous(
    parameters: Parameters, people: People, disease: int, random: np.random.Generator
) -> _Cause:
    hazard = parameters.hazard[:, disease].astype(np.float32)
    threshold = hazard[people.female.astype(np.int64)] * people.susceptibility

    def draw(rows: np.ndarray) -> np.ndarray:
        days = np.full(len(rows), NEVER, dtype=np.float32)
        acts = random.standard_exponential(len(rows), np.float32) < threshold[rows]
        age = _spontaneous_age(parameters, disease, int(acts.sum()), random)
        days[acts] = np.floor(people.birth[rows[acts]] + age * YEAR)
        return days

    return _Cause(-1, np.arange(len(people.person)), draw)


def _caused(
    parameters: Parameters,
    people: People,
    edge: Edge,
    cases: np.ndarray,
    onset: np.ndarray,
    random: np.random.Generator,
) -> _Cause:
    since = onset[edge.parent, cases]
    female, age = people.female[cases], (since - people.birth[cases]) / YEAR
    most = edge_probability(parameters, edge, female, age, edge.largest_factor)

    def draw(positions: np.ndarray) -> np.ndarray:
        days = np.full(len(positions), NEVER, dtype=np.float32)
        drawn = random.random(len(positions))
        acts = np.flatnonzero(drawn < most[positions])
        lag = random.standard_gamma(edge.lag_shape, len(acts)) * edge.lag_scale
        case = positions[acts]
        day = np.floor(since[case] + 1 + lag)
        days[acts] = day
        if edge.modifiers or edge.by_subtype:
            # The factor depends on the day: some of those who would be cases at most are not.
            factor = edge_factor(edge, people, cases[case], day, onset)
            chance = edge_probability(parameters, edge, female[case], age[case], factor)
            days[acts[drawn[acts] >= chance]] = NEVER
        return days

    return _Cause(edge.parent, cases, draw)


def _after(cause: _Cause, day: np.ndarray) -> _Cause:
    """Return the cause, given that it has not acted up to a day for each person."""

    def draw(positions: np.ndarray) -> np.ndarray:
        days = cause.draw(positions)
        latest = day[cause.candidates[positions]]
        early = np.flatnonzero(days <= latest)
        for _ in range(_ATTEMPTS):
            if len(early) == 0:
                return days
            days[early] = cause.draw(positions[early])
            early = early[days[early] <= latest[early]]
        days[early] = NEVER
        return days

    return _Cause(cause.parent, cause.candidates, draw)


def _begun(days: np.ndarray) -> _Cause:
    """Return a cause that gives the known days of onset (NEVER where there is none)."""
    cases = np.flatnonzero(days < NEVER)
    return _Cause(-1, cases, lambda positions: days[cases[positions]])


def _survived(
    parameters: Parameters,
    disease: int,
    people: People,
    cause: _Cause,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the days of onset by one cause and of the deaths that follow (float32).

    Everyone is alive at `people.start`: an onset that is fatal before is drawn again.
    """
    days = cause.draw(np.arange(len(cause.candidates)))
    died = np.full(len(days), NEVER, dtype=np.float32)
    drawn = np.flatnonzero(days < NEVER) if parameters.fatality[disease] > 0 else np.arange(0)
    for _ in range(_ATTEMPTS):
        if len(drawn) == 0:
            return days, died
        begun = drawn[days[drawn] < NEVER]
        age = (days[begun] - people.birth[cause.candidates[begun]]) / YEAR
        probability = fatal_probability(parameters, disease, age)
        fatal = begun[random.random(len(begun)) < probability]
        lag = random.exponential(parameters.fatal_scale[disease], len(fatal))
        died[drawn] = NEVER
        died[fatal] = days[fatal] + np.floor(lag + 1)
        drawn = fatal[died[fatal] <= people.start[cause.candidates[fatal]]]
        days[drawn] = cause.draw(drawn)
    days[drawn] = died[drawn] = NEVER
    return days, died


def make_onsets(
    parameters: Parameters,
    people: People,
    random: np.random.Generator,
    begun: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw when each disease begins, and move `people.death` forward to the first fatal one.

    Args:
        parameters: of the diseases and risks.
        people: updated in place.
        random: draws.
        begun: float32 (diseases, people), the known days of onset up to `people.start`, NEVER
            where there is none; all other onsets come after `people.start`. By default nothing is
            known.

    Returns:
        Day of onset, float32, NEVER for none; and cause, int16: the parent disease, or -1 for a
        spontaneous or known onset. Both (diseases, people).
    """
    count = len(people.person)
    diseases = len(parameters.order)
    onset = np.full((diseases, count), NEVER, dtype=np.float32)
    cause = np.full((diseases, count), -1, dtype=np.int16)
    cases: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * diseases
    for disease in parameters.order:
        causes = [_spontaneous(parameters, people, disease, random)]
        for edge in parameters.edges_into[disease]:
            affected = cases[edge.parent]
            causes.append(_caused(parameters, people, edge, affected, onset, random))
        died = np.full(count, NEVER, dtype=np.float32)
        if begun is not None:
            causes = [_after(one, people.start) for one in causes]
            known = _begun(begun[disease])
            onset[disease] = begun[disease]
            _, died[known.candidates] = _survived(parameters, disease, people, known, random)
        for one in causes:
            days, deaths = _survived(parameters, disease, people, one, random)
            sooner = days < onset[disease, one.candidates]
            rows = one.candidates[sooner]
            onset[disease, rows] = days[sooner]
            cause[disease, rows] = one.parent
            died[rows] = deaths[sooner]
        cases[disease] = np.flatnonzero(onset[disease] < people.death)
        affected = cases[disease]
        people.death[affected] = np.minimum(people.death[affected], died[affected])
    onset[onset > people.death] = NEVER
    return onset, cause


def onsets_frame(people: People, onset: np.ndarray, cause: np.ndarray) -> pl.DataFrame:
    """Return onsets in the form of `behrt.simulation.process.Block`."""
    disease, row = np.nonzero(onset <= people.last_day)
    day = onset[disease, row].astype(np.int32)
    order = np.lexsort((disease, day, row))
    disease, row, day = disease[order], row[order], day[order]
    return pl.DataFrame(
        {
            "person": people.person[row],
            "disease": disease.astype(np.int16),
            "day": day,
            "cause": cause[disease, row],
        }
    )
