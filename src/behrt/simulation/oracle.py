"""The best possible forecast: what the process itself expects to be recorded next.

The process's state at a day is what has begun and what has been recorded up to that day. For each
disease the probability of a recording in the days after is composed of

* in closed form: the next review, flare-up or admission of a disease that has begun, given the
  time since its last recording; the onset of one that has not, from its spontaneous risk and from
  the parents that have begun, given that it has not begun yet;
* by Monte Carlo continuation: onsets caused by parents that begin within the window, and the
  coding of comorbidities by the window's admissions. Each draw contributes its conditional
  probability rather than a yes or no, so few draws suffice.

The forecast is for people who are followed up to the end of the window: an onset's probability is
lowered by the chance that it kills before. Three simplifications, each of second order: a fatal
onset is weighed as if uniform within the window, a disease is counted for at most one flare-up
in hospital in it, and an onset's further recordings code no comorbidities.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import gammainc

from behrt.simulation.process import (
    DUE,
    YEAR,
    Block,
    Parameters,
    ProcessSettings,
    World,
    edge_probability,
    next_review,
    review_day,
    spontaneous_share,
)

PARTS = 4  # of the window, between which an onset within it is placed
CHUNK = 4000


def true_probabilities(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window_days: np.ndarray | int,
    settings: ProcessSettings,
    draws: int = 20,
    seed: int = 0,
) -> np.ndarray:
    """Return float32 (len(rows), diseases): P(recorded on a day in (day, day + window_days]).

    `rows` are rows of `block.people` (repeats allowed), `day` the days (since 1970-01-01) up to
    which all is known, `window_days` the windows' lengths.
    """
    return probabilities_with_error(world, block, rows, day, window_days, settings, draws, seed)[0]


def probabilities_with_error(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window_days: np.ndarray | int,
    settings: ProcessSettings,
    draws: int = 20,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `true_probabilities` and their Monte Carlo standard errors (float32, same shape)."""
    if draws < 2:
        raise ValueError("draws must be at least 2, or no Monte Carlo error can be stated")
    window = np.broadcast_to(np.asarray(window_days, dtype=np.int64), rows.shape)
    random = np.random.default_rng([seed, 3])
    parts = []
    for begin in range(0, len(rows), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        state = _state(world, block, rows[chunk], day[chunk], window[chunk], settings)
        parts.append(_forecast(world.parameters, state, settings, draws, random))
    diseases = len(world.diseases)
    if not parts:
        return np.zeros((0, diseases), np.float32), np.zeros((0, diseases), np.float32)
    return np.concatenate([p for p, _ in parts]), np.concatenate([e for _, e in parts])


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
    parameters: Parameters,
    state: _State,
    settings: ProcessSettings,
    draws: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and Monte Carlo standard errors, float32 (forecasts, diseases)."""
    row, disease = np.nonzero(np.isfinite(state.onset))
    due = np.where(
        parameters.chronic[disease],
        _review_due(parameters, state, row, disease, settings),
        _flare_up_due(parameters, state, row, disease),
    )
    rate = parameters.admissions[disease] * state.window[row] * parameters.chronic[disease]
    in_hospital = np.where(parameters.chronic[disease], 0.0, due * parameters.hospital[disease])
    begins = _onset_by(parameters, state)

    # Sums over draws, of each draw's conditional probability that nothing is recorded.
    quiet = np.zeros(begins.shape[:2])
    quiet_squared = np.zeros_like(quiet)
    coding = settings.comorbidity_coding * parameters.chronic[disease]
    for _ in range(draws):
        spared, new_row, new_disease = _continue_onsets(parameters, state, begins, random)
        own = random.poisson(rate) + (random.random(len(row)) < in_hospital)
        admitted = random.random(len(new_row)) < parameters.hospital[new_disease]
        admissions = np.bincount(row, own, len(state.day))
        admissions += np.bincount(new_row[admitted], minlength=len(state.day))
        spared[row, disease] = (1 - coding) ** (admissions[row] - own)
        quiet += spared
        quiet_squared += spared**2
    mean = quiet / draws
    error = np.sqrt(np.maximum(quiet_squared / draws - mean**2, 0) / (draws - 1))

    silent = 1 - begins[:, :, -1]
    silent[row, disease] = (1 - due) * np.exp(-rate)
    probability = 1 - silent * mean
    survives = _survives_onset(parameters, state.window)
    survives[row, disease] = 1.0
    probability = probability * survives / (1 - probability * (1 - survives))
    return probability.astype(np.float32), (silent * error).astype(np.float32)


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


def _review_due(
    parameters: Parameters,
    state: _State,
    row: np.ndarray,
    disease: np.ndarray,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return P(a review in the window records it | none since the last one), for begun diseases."""
    spacing = settings.review_spacing
    last = state.last[row, disease]
    chance = parameters.review_probability(disease, state.recording[row], spacing)
    earliest = next_review(state.phase[row], last + parameters.refractory[disease], spacing)
    held = latest_review(state.person[row], state.phase[row], state.day[row], spacing)
    until = state.day[row] + state.window[row]
    ahead = latest_review(state.person[row], state.phase[row], until, spacing)
    missed = np.maximum(held - earliest + 1, 0)
    coming = np.maximum(ahead - np.maximum(earliest, held + 1) + 1, 0)
    unseen = last < settings.records_from
    intervals = (last - state.onset[row, disease]) / parameters.interval[disease]
    continues = parameters.continues[disease] ** np.where(unseen, 1 + np.maximum(intervals, 0), 1.0)
    silent = continues * (1 - chance) ** missed
    due: np.ndarray = silent / (silent + 1 - continues) * (1 - (1 - chance) ** coming)
    return due


def latest_review(
    person: np.ndarray, phase: np.ndarray, day: np.ndarray, spacing: float
) -> np.ndarray:
    """Return the number (int64) of the last review visit up to and including a day."""
    review: np.ndarray = np.floor((day - phase) / spacing).astype(np.int64) + 1
    for _ in range(2):
        review = review - (review_day(person, phase, review, spacing) > day)
    return review


def _onset_by(parameters: Parameters, state: _State) -> np.ndarray:
    """Return float64 (forecasts, diseases, PARTS): P(onset in the window up to a part's end).

    Caused by what has begun, given that the disease itself has not; 0 where it has.
    """
    diseases = state.onset.shape[1]
    every = np.arange(diseases)
    hazard = parameters.hazard[state.female.astype(np.int64)]
    risk = -np.expm1(-hazard * state.susceptibility[:, None])

    def free_of_spontaneous(day: np.ndarray) -> np.ndarray:
        age = (day + 1 - state.birth)[:, None] / YEAR
        free: np.ndarray = 1 - risk * spontaneous_share(parameters, every[None, :], age)
        return free

    now = free_of_spontaneous(state.day)
    ends = state.day[:, None] + state.window[:, None] * np.arange(1, PARTS + 1) / PARTS
    free = np.stack([free_of_spontaneous(ends[:, part]) / now for part in range(PARTS)], axis=-1)
    begun = np.isfinite(state.onset)
    for disease in range(diseases):
        for edge in parameters.edges_into[disease]:
            at_risk = np.flatnonzero(begun[:, edge.parent] & ~begun[:, disease])
            since = state.onset[at_risk, edge.parent]
            age = (since - state.birth[at_risk]) / YEAR
            chance = edge_probability(parameters, edge, state.female[at_risk], age)

            def inert(
                day: np.ndarray,
                chance: np.ndarray = chance,
                since: np.ndarray = since,
                scale: float = edge.lag_scale,
                shape: float = edge.lag_shape,
            ) -> np.ndarray:
                left: np.ndarray = 1 - chance * gammainc(shape, (day - since) / scale)
                return left

            before = inert(state.day[at_risk])
            for part in range(PARTS):
                free[at_risk, disease, part] *= inert(ends[at_risk, part]) / before
    free[begun] = 1.0
    return 1 - free


def _continue_onsets(
    parameters: Parameters, state: _State, begins: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one continuation of the onsets through the window.

    Returns float64 (forecasts, diseases), the probability that parents that begin in the window
    do not cause each disease in it, and the forecast and disease of each onset drawn.
    """
    spared = np.ones(begins.shape[:2])
    drawn = random.random(spared.shape)
    row, disease = np.nonzero(drawn < begins[:, :, -1])
    part = (drawn[row, disease][:, None] >= begins[row, disease]).sum(axis=1)
    day = state.day[row] + state.window[row] * (part + random.random(len(row))) / PARTS
    begun = np.isfinite(state.onset)
    begun[row, disease] = True
    rows, diseases = [row], [disease]
    out_of = parameters.edges_out_of
    while len(row):
        next_row, next_disease, next_day = [], [], []
        for parent in np.unique(disease).tolist():
            mine = np.flatnonzero(disease == parent)
            at_risk, since = row[mine], day[mine]
            left = state.day[at_risk] + state.window[at_risk] - since
            age = (since - state.birth[at_risk]) / YEAR
            for edge in out_of[parent]:
                chance = edge_probability(parameters, edge, state.female[at_risk], age)
                spared[at_risk, edge.child] *= 1 - chance * gammainc(
                    edge.lag_shape, left / edge.lag_scale
                )
                lag = random.standard_gamma(edge.lag_shape, len(mine)) * edge.lag_scale
                acts = random.random(len(mine)) < chance
                acts &= (lag < left) & ~begun[at_risk, edge.child]
                begun[at_risk[acts], edge.child] = True
                next_row.append(at_risk[acts])
                next_disease.append(np.full(acts.sum(), edge.child))
                next_day.append((since + lag)[acts])
        if not next_row:
            break
        row, disease = np.concatenate(next_row), np.concatenate(next_disease)
        day = np.concatenate(next_day)
        rows.append(row)
        diseases.append(disease)
    return spared, np.concatenate(rows), np.concatenate(diseases)


def _survives_onset(parameters: Parameters, window: np.ndarray) -> np.ndarray:
    """Return float64 (forecasts, diseases): P(alive at the window's end | onset within it)."""
    length = window[:, None].astype(np.float64)
    scale = np.maximum(parameters.fatal_scale, 1.0)[None, :]
    dead = 1 - scale / length * -np.expm1(-length / scale)
    survives: np.ndarray = 1 - parameters.fatality[None, :] * dead
    return survives
