"""The best possible forecast: the probabilities that follow from the process itself.

A forecast is conditional on the state of the process at a day: what has begun, and what has been
recorded up to that day (`behrt.simulation.state`). The state includes more than the records show:
diseases that began before follow-up, when each was last due, the days of the reviews, the person's
susceptibility. So no forecast from records can be better. `true_probabilities` forecasts a window
of days, `next_visit_probabilities` the next visit. Everything is in closed form:

* a disease that has begun: its next review, flare-up or admission, given the time since its last
  recording (`behrt.simulation.expected_recordings`, exact); and its coding as a comorbidity in
  admissions for other diseases;
* a disease that has not begun: its onset, from its spontaneous risk, from the parents that have
  begun (both exact), and from the parents that may begin within the window, in topological order
  (`behrt.simulation.expected_onsets`).

A window's forecast is for people who are followed up to its end, so the probability of an onset is
reduced by the chance that it is fatal before. The approximations are of second order: an onset in
the window is placed in the middle of one of its parts (`behrt.simulation.expected_onsets.PARTS`);
parents that may begin count as independent of each other, and so do admissions; a disease has at
most one flare-up or onset in hospital. Tests compare the forecasts with simulated outcomes.

The next visit is on the first day on which something is recorded. Before it nothing begins and
nothing is recorded, so the state is known for each day. The forecast of that day is exact, except
that the risk of an onset is constant within each part of the horizon.

Nothing is drawn, so there is no Monte Carlo error. `behrt.simulation.continuation` draws, and makes
no approximations; tests compare the two at every level of probability and for every frequent
disease. The approximations cost less than 0.5 points of mean average precision: in the default run,
`benchmarks/simulated_ceiling.py` finds +0.03 points in T1 (Monte Carlo standard error 0.11), -0.01
in T2 (0.18) and +0.10 in T3 (0.14). The closed form is still the better ceiling: the noise of 200
continuations per patient costs 1.0 to 1.4 points, and they take seven times the computing time.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coding
from behrt.simulation.expected_onsets import onset_by
from behrt.simulation.expected_recordings import (
    flare_up_due,
    flare_ups_by_day,
    review_due,
    reviews_by_day,
)
from behrt.simulation.process import Block
from behrt.simulation.recordings import ADMISSION, DUE
from behrt.simulation.state import State, state_at
from behrt.simulation.visits import emergency_probability
from behrt.simulation.world import Parameters, World

HORIZON = 1096
"""Days within which a next visit is forecast."""

_CHUNK = 4000
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

    Args:
        world, block, settings: of the simulation.
        rows: int64, rows of `block.people`; repeats are allowed.
        day: int64, the days (since 1970-01-01) up to which everything is known; nothing later is
            read.
        window_days: lengths of the windows.
        coding: if given, the probability is that the code of a record maps to the disease, which
            may also be the record of another disease.
    """
    window = np.broadcast_to(np.asarray(window_days, dtype=np.int64), rows.shape)
    forecast = np.empty((len(rows), len(world.diseases)), dtype=np.float32)
    for begin in range(0, len(rows), _CHUNK):
        chunk = slice(begin, begin + _CHUNK)
        state = state_at(world, block, rows[chunk], day[chunk], window[chunk], settings)
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

    It is conditional on a visit within `HORIZON` days. A visit is a day with a record whose code
    maps to a disease. The arguments are those of `true_probabilities`.
    """
    forecast = np.empty((len(rows), len(world.diseases)), dtype=np.float32)
    horizon = np.full(rows.shape, HORIZON, dtype=np.int64)
    for begin in range(0, len(rows), _CHUNK_BY_DAY):
        chunk = slice(begin, begin + _CHUNK_BY_DAY)
        state = state_at(world, block, rows[chunk], day[chunk], horizon[chunk], settings)
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

    A visit is defined as in `next_visit_probabilities`. The arguments are those of
    `true_probabilities`.
    """
    window = np.broadcast_to(np.asarray(window_days, dtype=np.int64), rows.shape)
    probability = np.empty(len(rows))
    for begin in range(0, len(rows), _CHUNK_BY_DAY):
        chunk = slice(begin, begin + _CHUNK_BY_DAY)
        longest = np.full(window[chunk].shape, window[chunk].max())
        state = state_at(world, block, rows[chunk], day[chunk], longest, settings)
        _, _, none_by = _first_visit(world.parameters, state, settings, coding)
        probability[chunk] = 1 - none_by[np.arange(len(longest)), window[chunk] - 1]
    return probability


def no_admission(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window_days: np.ndarray | int,
    settings: ProcessSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(no admission to hospital on a day in (day, day + window_days]), and P(no emergency).

    Both are float64 (len(rows)). The arguments are those of `true_probabilities`.
    """
    parameters = world.parameters
    window = np.broadcast_to(np.asarray(window_days, dtype=np.int64), rows.shape)
    shares = np.ones(2), emergency_probability(np.array([DUE, ADMISSION]))
    probability = np.empty((2, len(rows)))
    for begin in range(0, len(rows), _CHUNK):
        chunk = slice(begin, begin + _CHUNK)
        state = state_at(world, block, rows[chunk], day[chunk], window[chunk], settings)
        row, disease = np.nonzero(np.isfinite(state.onset))
        chronic = parameters.chronic[disease]
        due = onset_by(parameters, state)[:, :, -1]
        again = flare_up_due(parameters, state, row, disease)
        due[row, disease] = np.where(chronic, 0.0, again)
        rate = np.where(chronic, parameters.admissions[disease] * state.window[row], 0.0)
        steady = np.bincount(row, rate, len(due))
        for kind, (of_due, of_steady) in enumerate(shares):
            none = np.log1p(-of_due * due * parameters.hospital).sum(axis=1)
            probability[kind, chunk] = np.exp(none - of_steady * steady)
    return probability[0], probability[1]


def _forecast(
    parameters: Parameters, state: State, settings: ProcessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(recorded by a GP) and P(recorded in hospital | not by a GP).

    Both are float64 (forecasts, diseases).
    """
    row, disease = np.nonzero(np.isfinite(state.onset))
    chronic = parameters.chronic[disease]
    due = np.where(
        chronic,
        review_due(parameters, state, row, disease, settings),
        flare_up_due(parameters, state, row, disease),
    )
    rate = np.where(chronic, parameters.admissions[disease] * state.window[row], 0.0)
    begins = onset_by(parameters, state)[:, :, -1]

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


def _first_visit(
    parameters: Parameters, state: State, settings: ProcessSettings, coding: Coding
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return P(the first visit is to a GP and records it), the same in hospital, and P(no visit).

    The first two are float64 (forecasts, diseases). The third is float64 (forecasts, days), up to
    and including each day. All forecasts must have the same window.
    """
    people, diseases = state.onset.shape
    days = int(state.window[0])
    by = onset_by(parameters, state, first=True)
    parts = by.shape[2]
    part = np.arange(days) * parts // days
    before = np.concatenate([np.zeros((people, diseases, 1)), by[:, :, :-1]], axis=2)
    begins = (by - before) / (1 - before) * (parts / days)

    row, disease = np.nonzero(np.isfinite(state.onset))
    chronic = parameters.chronic[disease]
    steady = np.zeros((people, diseases))
    steady[row, disease] = np.where(chronic, -np.expm1(-parameters.admissions[disease]), 0.0)
    flaring = ~chronic & (parameters.continues[disease] > 0)
    flare_row, flare = row[flaring], disease[flaring]
    flares = flare_ups_by_day(parameters, state, flare_row, flare)
    review_row, reviewed, review_day, recorded = reviews_by_day(
        parameters, state, row[chronic], disease[chronic], settings
    )

    hospital_share = parameters.hospital[flare, None].astype(np.float32)

    def of_each_person() -> Iterator[tuple[int, slice, np.ndarray, np.ndarray]]:
        """Yield a person, and the chances of flare-ups in hospital and at a GP's by day.

        The days of one person fit in the processor's cache.
        """
        first_of = np.flatnonzero(np.diff(flare_row, prepend=-1)).tolist()
        for begin, end in pairwise([*first_of, len(flare_row)]):
            pairs = slice(begin, end)
            in_hospital = flares[pairs] * hospital_share[pairs]
            yield flare_row[begin], pairs, in_hospital, flares[pairs] - in_hospital

    # Log probabilities of no admission, and of no visit, on a day.
    seen_by_gp, seen_in_hospital = coding.gp.diagonal(), coding.hospital.diagonal()
    flare_at_gp, flare_in_hospital = (
        seen[flare, None].astype(np.float32) for seen in (seen_by_gp, seen_in_hospital)
    )
    no_flare_up_in_hospital, no_flare_up_at_gp = np.zeros((2, people, days))
    for person, pairs, in_hospital, at_gp in of_each_person():
        not_seen = 1 - in_hospital * flare_in_hospital[pairs]
        no_flare_up_in_hospital[person] = np.log(not_seen.prod(axis=0))
        not_seen = 1 - at_gp * flare_at_gp[pairs]
        no_flare_up_at_gp[person] = np.log(not_seen.prod(axis=0))
    onset_in_hospital = begins * (parameters.hospital * seen_in_hospital)[:, None]
    onset_at_gp = begins * ((1 - parameters.hospital) * seen_by_gp)[:, None]
    steadily = np.log1p(-steady * seen_in_hospital).sum(axis=1)[:, None]
    not_admitted = steadily + np.log1p(-onset_in_hospital).sum(axis=1)[:, part]
    not_admitted += no_flare_up_in_hospital
    no_visit = not_admitted + np.log1p(-onset_at_gp).sum(axis=1)[:, part]
    no_visit += no_flare_up_at_gp
    np.add.at(no_visit, (review_row, review_day), np.log1p(-recorded * seen_by_gp[reviewed]))
    none_by = np.exp(no_visit.cumsum(axis=1))
    first = np.concatenate([np.ones((people, 1)), none_by[:, :-1]], axis=1)

    exposed = np.add.reduceat(first, np.searchsorted(part, np.arange(parts)), axis=1)
    onset = (begins * exposed[:, None, :]).sum(axis=2)
    hospital = onset * parameters.hospital
    gp = onset - hospital
    hospital += steady * exposed.sum(axis=1)[:, None]
    for person, pairs, in_hospital, at_gp in of_each_person():
        none_before = first[person].astype(np.float32)
        hospital[person, flare[pairs]] += in_hospital @ none_before
        gp[person, flare[pairs]] += at_gp @ none_before
    np.add.at(gp, (review_row, reviewed), recorded * first[review_row, review_day])
    # An admission for another disease may code a chronic disease.
    admitted = (-np.expm1(not_admitted) * first).sum(axis=1)
    comorbid = row[chronic], disease[chronic]
    others = np.maximum(admitted[comorbid[0]] - hospital[comorbid], 0)
    hospital[comorbid] += settings.comorbidity_coding * others
    return gp, hospital, none_by
