"""The probability that a disease that has begun is recorded again, given the state at a day.

Elements are pairs of a forecast (`row`) and a disease that has begun for it (`disease`).
"""

from dataclasses import dataclass

import numpy as np

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.recordings import next_review, review_day
from behrt.simulation.state import State
from behrt.simulation.world import Parameters

_DAYS_AT_ONCE = 2**14


def flare_up_due(
    parameters: Parameters, state: State, row: np.ndarray, disease: np.ndarray
) -> np.ndarray:
    """Return float64 (elements): P(a flare-up in the window | none since the last one)."""
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


def flare_ups_by_day(
    parameters: Parameters, state: State, row: np.ndarray, disease: np.ndarray
) -> np.ndarray:
    """Return float32 (elements, days): P(a flare-up on each day | none since the last one)."""
    days = np.arange(int(state.window[0]), dtype=np.float32)
    by_day = np.empty((len(row), len(days)), np.float32)
    scale = (parameters.interval - parameters.refractory).astype(np.float32)
    falls = -np.expm1(-1 / scale)
    continues = parameters.continues.astype(np.float32)
    # A few pairs at a time, whose days fit in the processor's cache.
    step = max(1, _DAYS_AT_ONCE // len(days))
    for begin in range(0, len(row), step):
        some, of = row[begin : begin + step], disease[begin : begin + step]
        since = state.day[some] - state.last[some, of] - parameters.refractory[of]
        waited = since.astype(np.float32)[:, None] + days
        waiting = np.exp(np.maximum(waited, 0) / -scale[of, None]) * continues[of, None]
        # The share of the day after the refractory time, on whose first day it is below 1.
        share = np.clip(waited + 1, 0, 1)
        quiet = (1 - continues[of, None]) + waiting
        by_day[begin : begin + step] = waiting * share * falls[of, None] / quiet
    return by_day


def review_due(
    parameters: Parameters,
    state: State,
    row: np.ndarray,
    disease: np.ndarray,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return float64 (elements): P(a review in the window records it | none has since the last)."""
    spacing = settings.review_spacing
    held = latest_review(state.person[row], state.phase[row], state.day[row], spacing)
    until = state.day[row] + state.window[row]
    ahead = latest_review(state.person[row], state.phase[row], until, spacing)
    reviews = _review_state(parameters, state, row, disease, held, settings)
    coming = np.maximum(ahead - np.maximum(reviews.earliest, held + 1) + 1, 0)
    due: np.ndarray = reviews.running * (1 - (1 - reviews.chance) ** coming)
    return due


def reviews_by_day(
    parameters: Parameters,
    state: State,
    row: np.ndarray,
    disease: np.ndarray,
    settings: ProcessSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return row, disease, day (from 0, the first of the window) and P(recorded | not before).

    There is one element per pair and review in the window.
    """
    spacing, window = settings.review_spacing, int(state.window[0])
    held = latest_review(state.person, state.phase, state.day, spacing)[row]
    reviews = _review_state(parameters, state, row, disease, held, settings)
    silent, stopped = reviews.running, 1 - reviews.running
    parts = []
    for number in range(1, int(window / spacing) + 2):
        review = held + number
        due = review >= reviews.earliest
        running = silent / (silent + stopped)
        day = review_day(state.person[row], state.phase[row], review, spacing) - state.day[row] - 1
        kept = due & (day < window)
        parts.append((row[kept], disease[kept], day[kept], (reviews.chance * running)[kept]))
        silent = np.where(due, silent * (1 - reviews.chance), silent)
    rows, diseases, days, recorded = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, diseases, days, recorded


@dataclass(frozen=True)
class _ReviewState:
    """What is known of the reviews of chronic diseases.

    Attributes:
        chance: float64, P(a review from `earliest` on records the disease | it is still recorded).
        earliest: int64, the number of the first review after the refractory time.
        running: float64, P(the disease is still recorded | not recorded since the last time).
    """

    chance: np.ndarray
    earliest: np.ndarray
    running: np.ndarray


def _review_state(
    parameters: Parameters,
    state: State,
    row: np.ndarray,
    disease: np.ndarray,
    held: np.ndarray,
    settings: ProcessSettings,
) -> _ReviewState:
    """Return the state of each pair's reviews, of which `held` is the number of the last."""
    spacing = settings.review_spacing
    last = state.last[row, disease]
    chance = parameters.review_probability(disease, state.recording[row], spacing)
    earliest = next_review(state.phase[row], last + parameters.refractory[disease], spacing)
    missed = np.maximum(held - earliest + 1, 0)
    unseen = last < settings.records_from
    intervals = (last - state.onset[row, disease]) / parameters.interval[disease]
    continues = parameters.continues[disease] ** np.where(unseen, 1 + np.maximum(intervals, 0), 1.0)
    silent = continues * (1 - chance) ** missed
    return _ReviewState(chance, earliest, silent / (silent + 1 - continues))


def latest_review(
    person: np.ndarray, phase: np.ndarray, day: np.ndarray, spacing: float
) -> np.ndarray:
    """Return the number (int64) of the last review visit up to and including a day."""
    review: np.ndarray = np.floor((day - phase) / spacing).astype(np.int64) + 1
    for _ in range(2):
        review = review - (review_day(person, phase, review, spacing) > day)
    return review
