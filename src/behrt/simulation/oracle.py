"""The best possible forecast: what the process itself expects to be recorded next.

The process's state at a day is what has begun and what has been recorded up to that day. It holds
more than a record shows: diseases that began before follow-up, when each was last due, the days of
the reviews, the person's susceptibility. So a forecast from it bounds what can be read from
records. `true_probabilities` forecasts a window of days, `next_visit_probabilities` the next visit.
All of it is in closed form:

* a disease that has begun: its next review, flare-up or admission, given the time since its last
  recording (exact); and its coding as a comorbidity by the admissions of other diseases;
* one that has not: its onset, given that it has not begun, from its spontaneous risk and the
  parents that have begun (exact), and from parents that may yet begin within the window, one
  disease after the other in topological order.

A window's forecast is for people who are followed up to its end: an onset's probability is
lowered by the chance that it kills before. What is approximate is of second order: onsets within
the window are placed in the middle of one of its `PARTS`; parents that may begin count as
independent of each other, and so do admissions; a disease counts for at most one flare-up or
onset in hospital. The tests hold the forecasts to the process's own outcomes.

The next visit is that of the first day on which something is recorded. Up to then nothing begins
and nothing falls due, so the state is known day by day, and what the day itself brings is exact
but for onsets, whose risk is constant within each of the `PARTS` of the horizon.

Nothing is drawn, so there is no Monte Carlo error. `behrt.simulation.continuation` draws instead,
and approximates nothing: the tests hold the forecasts to it, at every level of probability and for
every frequent disease. What is approximate costs less than 0.5 points of mean average precision:
for the default run, `benchmarks/simulated_ceiling.py` finds +0.03 points in T1 (Monte Carlo
standard error 0.11), -0.01 in T2 (0.18) and +0.10 in T3 (0.14). Yet the closed form is the
ceiling, for the noise of 200 continuations of each patient alone costs 1.0 to 1.4 points, at seven
times the computing time.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import gammainc

from behrt.simulation.coding import Coding
from behrt.simulation.process import (
    DUE,
    YEAR,
    Block,
    Edge,
    Parameters,
    ProcessSettings,
    World,
    edge_probability,
    fatal_probability,
    next_review,
    review_day,
    spontaneous_share,
)

PARTS = 6
HORIZON = 1096
"""Days within which a next visit is looked for."""
CHUNK = 4000
_CHUNK_BY_DAY = 500


def true_probabilities(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window_days: np.ndarray | int,
    settings: ProcessSettings,
    coding: Coding | None = None,
) -> np.ndarray:
    """Return float32 (len(rows), diseases): P(recorded on a day in (day, day + window_days]).

    `rows` are rows of `block.people` (repeats allowed), `day` the days (since 1970-01-01) up to
    which all is known, `window_days` the windows' lengths. Nothing after `day` is read. With
    `coding` it is the probability that the records' codes map to the disease, which may be due to
    another one; without, that the disease is recorded.
    """
    window = np.broadcast_to(np.asarray(window_days, dtype=np.int64), rows.shape)
    forecast = np.empty((len(rows), len(world.diseases)), dtype=np.float32)
    for begin in range(0, len(rows), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        state = _state(world, block, rows[chunk], day[chunk], window[chunk], settings)
        gp, hospital = _forecast(world.parameters, state, settings)
        silent = (1 - gp) * (1 - hospital) if coding is None else coding.unmapped(gp, hospital)
        forecast[chunk] = 1 - silent
    return forecast


def next_visit_probabilities(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float32 (len(rows), diseases): P(recorded at the next visit after `day`).

    It is given that a visit follows within `HORIZON` days. A visit is a day with a record whose
    code maps to a disease. `rows`, `day` and `coding` are those of `true_probabilities`.
    """
    forecast = np.empty((len(rows), len(world.diseases)), dtype=np.float32)
    horizon = np.full(rows.shape, HORIZON, dtype=np.int64)
    for begin in range(0, len(rows), _CHUNK_BY_DAY):
        chunk = slice(begin, begin + _CHUNK_BY_DAY)
        state = _state(world, block, rows[chunk], day[chunk], horizon[chunk], settings)
        gp, hospital, none_by = _first_visit(world.parameters, state, settings, coding)
        forecast[chunk] = coding.mapped_once(gp, hospital) / (1 - none_by[:, -1:])
    return np.minimum(forecast, 1)


def visit_probability(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window_days: np.ndarray | int,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float64 (len(rows)): P(a visit on a day in (day, day + window_days]).

    A visit is as for `next_visit_probabilities`; arguments are those of `true_probabilities`.
    """
    window = np.broadcast_to(np.asarray(window_days, dtype=np.int64), rows.shape)
    probability = np.empty(len(rows))
    for begin in range(0, len(rows), _CHUNK_BY_DAY):
        chunk = slice(begin, begin + _CHUNK_BY_DAY)
        longest = np.full(window[chunk].shape, window[chunk].max())
        state = _state(world, block, rows[chunk], day[chunk], longest, settings)
        _, _, none_by = _first_visit(world.parameters, state, settings, coding)
        probability[chunk] = 1 - none_by[np.arange(len(longest)), window[chunk] - 1]
    return probability


@dataclass(frozen=True)
class _State:
    """What is known at a day: one entry a forecast, matrices (forecasts, diseases)."""

    person: np.ndarray
    female: np.ndarray
    birth: np.ndarray
    phase: np.ndarray
    recording: np.ndarray
    susceptibility: np.ndarray
    day: np.ndarray
    window: np.ndarray
    onset: np.ndarray
    last: np.ndarray


def _state(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window: np.ndarray,
    settings: ProcessSettings,
) -> _State:
    people = block.people[rows].with_columns(
        forecast=np.arange(len(rows), dtype=np.int64), until=day.astype(np.int32)
    )
    asked = people.select("forecast", "person", "until")

    def latest(events: pl.DataFrame) -> np.ndarray:
        """Return float64 (forecasts, diseases): the last day of each up to then, or infinity."""
        found = (
            events.join(asked, on="person")
            .filter(pl.col("day") <= pl.col("until"))
            .group_by("forecast", "disease")
            .agg(pl.col("day").max())
        )
        days = np.full((len(rows), len(world.diseases)), np.inf)
        days[found["forecast"].to_numpy(), found["disease"].to_numpy()] = found["day"].to_numpy()
        return days

    onset = latest(block.onsets)
    last = latest(block.diagnoses.filter(pl.col("reason") == DUE))
    # Begun before records do: its last recording then is unknown.
    unseen = np.isinf(last) & np.isfinite(onset)
    entry = settings.records_from - world.parameters.interval / 2
    last = np.where(unseen, np.maximum(onset, entry), last)
    recording = people.join(world.practices, on="practice", how="left", maintain_order="left")
    return _State(
        person=people["person"].to_numpy(),
        female=people["sex"].to_numpy() == 2,
        birth=people["birth_day"].to_numpy().astype(np.float64),
        phase=people["review_phase"].to_numpy().astype(np.int64),
        recording=recording["recording"].to_numpy(),
        susceptibility=people["susceptibility"].to_numpy(),
        day=day.astype(np.int64),
        window=window,
        onset=onset,
        last=last,
    )


def _forecast(
    parameters: Parameters, state: _State, settings: ProcessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 (forecasts, diseases): P(recorded by a GP), and in hospital if not by a GP.

    The disease is not recorded at all with the product of what they leave.
    """
    row, disease = np.nonzero(np.isfinite(state.onset))
    chronic = parameters.chronic[disease]
    due = np.where(
        chronic,
        _review_due(parameters, state, row, disease, settings),
        _flare_up_due(parameters, state, row, disease),
    )
    rate = np.where(chronic, parameters.admissions[disease] * state.window[row], 0.0)
    begins = _onset_by(parameters, state)[:, :, -1]

    # Log probability that none of a disease's admissions codes a given comorbidity.
    coding = settings.comorbidity_coding
    uncoded = np.log1p(-coding * begins * parameters.hospital)
    own = np.where(chronic, 0.0, np.log1p(-coding * due * parameters.hospital[disease]))
    uncoded[row, disease] = own - coding * rate
    others = uncoded.sum(axis=1)[row] - uncoded[row, disease]

    # An onset or a flare-up is recorded in one of the two.
    begins[row, disease] = np.where(chronic, 0.0, due)
    hospital = begins * parameters.hospital
    gp = (begins - hospital) / (1 - hospital)
    gp[row[chronic], disease[chronic]] = due[chronic]
    hospital[row[chronic], disease[chronic]] = -np.expm1((others - rate)[chronic])
    return gp, hospital


def _flare_up_due(
    parameters: Parameters, state: _State, row: np.ndarray, disease: np.ndarray
) -> np.ndarray:
    """Return P(flare-up in the window | none since the last one), for begun diseases."""
    elapsed = state.day[row] - state.last[row, disease]
    refractory = parameters.refractory[disease]
    scale = parameters.interval[disease] - refractory
    continues = parameters.continues[disease]

    def waited(time: np.ndarray) -> np.ndarray:
        share: np.ndarray = -np.expm1(-np.maximum(time - refractory, 0) / scale)
        return share

    now, then = waited(elapsed), waited(elapsed + state.window[row])
    due: np.ndarray = continues * (then - now) / (1 - continues * now)
    return due


@dataclass(frozen=True)
class _Reviewed:
    """Chronic diseases that have begun: one entry a disease and forecast.

    Attributes:
        chance: that a review from `earliest` on (its number) records it.
        running: probability that its recordings go on, given none since the last one.
    """

    chance: np.ndarray
    earliest: np.ndarray
    running: np.ndarray


def _reviewed(
    parameters: Parameters,
    state: _State,
    row: np.ndarray,
    disease: np.ndarray,
    held: np.ndarray,
    settings: ProcessSettings,
) -> _Reviewed:
    """Return what is known of reviews; `held` is the number of each entry's last one so far."""
    spacing = settings.review_spacing
    last = state.last[row, disease]
    chance = parameters.review_probability(disease, state.recording[row], spacing)
    earliest = next_review(state.phase[row], last + parameters.refractory[disease], spacing)
    missed = np.maximum(held - earliest + 1, 0)
    unseen = last < settings.records_from
    intervals = (last - state.onset[row, disease]) / parameters.interval[disease]
    continues = parameters.continues[disease] ** np.where(unseen, 1 + np.maximum(intervals, 0), 1.0)
    silent = continues * (1 - chance) ** missed
    return _Reviewed(chance, earliest, silent / (silent + 1 - continues))


def _review_due(
    parameters: Parameters,
    state: _State,
    row: np.ndarray,
    disease: np.ndarray,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return P(a review in the window records it | none since the last one), for begun diseases."""
    spacing = settings.review_spacing
    held = latest_review(state.person[row], state.phase[row], state.day[row], spacing)
    until = state.day[row] + state.window[row]
    ahead = latest_review(state.person[row], state.phase[row], until, spacing)
    reviewed = _reviewed(parameters, state, row, disease, held, settings)
    coming = np.maximum(ahead - np.maximum(reviewed.earliest, held + 1) + 1, 0)
    due: np.ndarray = reviewed.running * (1 - (1 - reviewed.chance) ** coming)
    return due


def _first_visit(
    parameters: Parameters, state: _State, settings: ProcessSettings, coding: Coding
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return P(the first visit is one of a GP that records it), and the same of hospital.

    Both are float64 (forecasts, diseases); the third, (forecasts, days), is P(no visit up to a
    day). The window has the same days for all.
    """
    people, diseases = state.onset.shape
    days = int(state.window[0])
    part = np.arange(days) * PARTS // days
    by = _onset_by(parameters, state, alone=True)
    before = np.concatenate([np.zeros((people, diseases, 1)), by[:, :, :-1]], axis=2)
    begins = (by - before) / (1 - before) * (PARTS / days)

    row, disease = np.nonzero(np.isfinite(state.onset))
    chronic = parameters.chronic[disease]
    steady = np.zeros((people, diseases))
    steady[row, disease] = np.where(chronic, -np.expm1(-parameters.admissions[disease]), 0.0)
    flaring = ~chronic & (parameters.continues[disease] > 0)
    flare_row, flare = row[flaring], disease[flaring]
    flares = _flare_ups_by_day(parameters, state, flare_row, flare)
    in_hospital = flares * parameters.hospital[flare, None]
    review_row, reviewed, review_day_, recorded = _reviews_by_day(
        parameters, state, row[chronic], disease[chronic], settings
    )

    def summed(entries: np.ndarray) -> np.ndarray:
        """Add up entries (flare-ups, days) by forecast."""
        total = np.zeros((people, days))
        np.add.at(total, flare_row, entries)
        return total

    # Log probabilities that a day holds no visit, and no admission.
    seen_by_gp, seen_in_hospital = coding.gp.diagonal(), coding.hospital.diagonal()
    onset_in_hospital = begins * (parameters.hospital * seen_in_hospital)[:, None]
    onset_at_gp = begins * ((1 - parameters.hospital) * seen_by_gp)[:, None]
    steadily = np.log1p(-steady * seen_in_hospital).sum(axis=1)[:, None]
    not_admitted = steadily + np.log1p(-onset_in_hospital).sum(axis=1)[:, part]
    not_admitted += summed(np.log1p(-in_hospital * seen_in_hospital[flare, None]))
    no_visit = not_admitted + np.log1p(-onset_at_gp).sum(axis=1)[:, part]
    no_visit += summed(np.log1p(-(flares - in_hospital) * seen_by_gp[flare, None]))
    np.add.at(no_visit, (review_row, review_day_), np.log1p(-recorded * seen_by_gp[reviewed]))
    none_by = np.exp(no_visit.cumsum(axis=1))
    first = np.concatenate([np.ones((people, 1)), none_by[:, :-1]], axis=1)

    exposed = np.add.reduceat(first, np.searchsorted(part, np.arange(PARTS)), axis=1)
    onset = (begins * exposed[:, None, :]).sum(axis=2)
    hospital = onset * parameters.hospital
    gp = onset - hospital
    hospital += steady * exposed.sum(axis=1)[:, None]
    np.add.at(hospital, (flare_row, flare), (in_hospital * first[flare_row]).sum(axis=1))
    np.add.at(gp, (flare_row, flare), ((flares - in_hospital) * first[flare_row]).sum(axis=1))
    np.add.at(gp, (review_row, reviewed), recorded * first[review_row, review_day_])
    # Admissions of the others code a chronic disease.
    admitted = (-np.expm1(not_admitted) * first).sum(axis=1)
    comorbid = row[chronic], disease[chronic]
    others = np.maximum(admitted[comorbid[0]] - hospital[comorbid], 0)
    hospital[comorbid] += settings.comorbidity_coding * others
    return gp, hospital, none_by


def _flare_ups_by_day(
    parameters: Parameters, state: _State, row: np.ndarray, disease: np.ndarray
) -> np.ndarray:
    """Return float64 (entries, days): P(flare-up on each day after | none since the last)."""
    days = np.arange(int(state.window[0]) + 1)
    elapsed = (state.day[row] - state.last[row, disease])[:, None] + days
    refractory = parameters.refractory[disease][:, None]
    scale = parameters.interval[disease][:, None] - refractory
    waiting = np.exp(-np.maximum(elapsed - refractory, 0) / scale)
    quiet = 1 - parameters.continues[disease][:, None] * (1 - waiting)
    by_day: np.ndarray = 1 - quiet[:, 1:] / quiet[:, :-1]
    return by_day


def _reviews_by_day(
    parameters: Parameters,
    state: _State,
    row: np.ndarray,
    disease: np.ndarray,
    settings: ProcessSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, diseases, days (from 0, the first after) and P(recorded | not before).

    One element an entry and review within the window.
    """
    spacing, window = settings.review_spacing, int(state.window[0])
    held = latest_review(state.person, state.phase, state.day, spacing)[row]
    reviewed = _reviewed(parameters, state, row, disease, held, settings)
    silent, stopped = reviewed.running, 1 - reviewed.running
    parts = []
    for number in range(1, int(window / spacing) + 2):
        review = held + number
        due = review >= reviewed.earliest
        running = silent / (silent + stopped)
        day = review_day(state.person[row], state.phase[row], review, spacing) - state.day[row] - 1
        kept = due & (day < window)
        parts.append((row[kept], disease[kept], day[kept], (reviewed.chance * running)[kept]))
        silent = np.where(due, silent * (1 - reviewed.chance), silent)
    rows, diseases, days, recorded = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, diseases, days, recorded


def latest_review(
    person: np.ndarray, phase: np.ndarray, day: np.ndarray, spacing: float
) -> np.ndarray:
    """Return the number (int64) of the last review visit up to and including a day."""
    review: np.ndarray = np.floor((day - phase) / spacing).astype(np.int64) + 1
    for _ in range(2):
        review = review - (review_day(person, phase, review, spacing) > day)
    return review


def _onset_by(parameters: Parameters, state: _State, alone: bool = False) -> np.ndarray:
    """Return float64 (forecasts, diseases, PARTS): P(onset in the window up to a part's end).

    Given that the disease has not begun, and that no onset in the window kills within it; 0 where
    it has begun. `alone`: given that nothing else begins before it.
    """
    hazard = parameters.hazard[state.female.astype(np.int64)]
    risk = -np.expm1(-hazard * state.susceptibility[:, None])
    begun = np.isfinite(state.onset)
    ends = state.day[:, None] + state.window[:, None] * np.arange(PARTS + 1) / PARTS
    ages = (ends + 1 - state.birth[:, None]) / YEAR
    by = np.zeros((*state.onset.shape, PARTS))
    for disease in parameters.order:
        share = spontaneous_share(parameters, np.array([disease]), ages)
        free = 1 - risk[:, disease, None] * share
        free = free[:, 1:] / free[:, :1]
        for edge in parameters.edges_into[disease]:
            free *= _spared_by_begun(parameters, state, edge, begun, ends)
            if not alone:
                free *= _spared_by_coming(parameters, state, edge, by[:, edge.parent])
        onset = np.diff(np.where(begun[:, disease, None], 0.0, 1 - free), axis=1, prepend=0.0)
        if alone:
            by[:, disease] = onset.cumsum(axis=1)
            continue
        lived = onset * _survives(parameters, disease, state)
        alive = 1 - (onset - lived).sum(axis=1, keepdims=True)
        by[:, disease] = lived.cumsum(axis=1) / alive
    return by


def _spared_by_begun(
    parameters: Parameters, state: _State, edge: Edge, begun: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Return float64 (forecasts, PARTS): P(a begun parent has not acted by then | nor by the day).

    It is 1 where the parent has not begun.
    """
    spared = np.ones((len(state.day), PARTS))
    at_risk = np.flatnonzero(begun[:, edge.parent] & ~begun[:, edge.child])
    since = state.onset[at_risk, edge.parent]
    age = (since - state.birth[at_risk]) / YEAR
    chance = edge_probability(parameters, edge, state.female[at_risk], age)
    lag = (ends[at_risk] - since[:, None]) / edge.lag_scale
    inert = 1 - chance[:, None] * gammainc(edge.lag_shape, lag)
    spared[at_risk] = inert[:, 1:] / inert[:, :1]
    return spared


def _spared_by_coming(
    parameters: Parameters,
    state: _State,
    edge: Edge,
    parent_by: np.ndarray,
) -> np.ndarray:
    """Return float64 (forecasts, PARTS): P(a parent that begins in the window has not acted).

    `parent_by` (forecasts, PARTS) is the probability that the parent begins by each part's end.
    """
    spared = np.ones((len(state.day), PARTS))
    at_risk = np.flatnonzero(parent_by[:, -1] > 1e-7)
    begins = np.diff(parent_by[at_risk], axis=1, prepend=0.0)
    age = (state.day[at_risk] + state.window[at_risk] / 2 - state.birth[at_risk]) / YEAR
    chance = edge_probability(parameters, edge, state.female[at_risk], age)
    # From the middle of a part to the end of the same part, of the next, and so on.
    steps = (np.arange(PARTS) + 0.5) / PARTS
    lag = state.window[at_risk, None] * steps / edge.lag_scale
    acted = chance[:, None] * gammainc(edge.lag_shape, lag)
    for part in range(PARTS):
        spared[at_risk, part:] -= begins[:, part, None] * acted[:, : PARTS - part]
    return spared


def _survives(parameters: Parameters, disease: int, state: _State) -> np.ndarray:
    """Return float64 (forecasts, PARTS): P(alive at the window's end | onset in a part)."""
    left = state.window[:, None] * (1 - (np.arange(PARTS) + 0.5) / PARTS)
    dead = -np.expm1(-left / max(parameters.fatal_scale[disease], 1.0))
    age = (state.day + state.window / 2 - state.birth) / YEAR
    survives: np.ndarray = 1 - fatal_probability(parameters, disease, age)[:, None] * dead
    return survives
