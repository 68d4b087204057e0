"""The probability that a disease begins within a window, given the state at a day."""

import numpy as np
from scipy.special import gammainc

from behrt.simulation.days import YEAR
from behrt.simulation.onsets import edge_probability, fatal_probability, spontaneous_share
from behrt.simulation.state import State
from behrt.simulation.world import Edge, Parameters

PARTS = 6
"""The parts of a window; an onset counts as in the middle of one."""


def onset_by(parameters: Parameters, state: State, first: bool = False) -> np.ndarray:
    """Return float64 (forecasts, diseases, PARTS): P(onset in the window up to a part's end).

    It is conditional on survival to the end of the window, and 0 for diseases that have begun. With
    `first` it is conditional on no other disease beginning before, rather than on survival.

    Raises:
        InputError: the risks are not pairwise and additive.
    """
    parameters.require_pairwise("the closed form of the oracle")
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
            free *= _not_caused_by_begun(parameters, state, edge, begun, ends)
            if not first:
                free *= _not_caused_by_coming(parameters, state, edge, by[:, edge.parent])
        onset = np.diff(np.where(begun[:, disease, None], 0.0, 1 - free), axis=1, prepend=0.0)
        if first:
            by[:, disease] = onset.cumsum(axis=1)
            continue
        lived = onset * _survival(parameters, disease, state)
        alive = 1 - (onset - lived).sum(axis=1, keepdims=True)
        by[:, disease] = lived.cumsum(axis=1) / alive
    return by


def _not_caused_by_begun(
    parameters: Parameters, state: State, edge: Edge, begun: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Return float64 (forecasts, PARTS): P(a parent that has begun does not cause the child).

    It is up to the end of each part, given that it has not done so up to the day; and 1 if the
    parent has not begun.
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


def _not_caused_by_coming(
    parameters: Parameters,
    state: State,
    edge: Edge,
    parent_by: np.ndarray,
) -> np.ndarray:
    """Return float64 (forecasts, PARTS): P(a parent that may begin later does not cause the child).

    `parent_by` (forecasts, PARTS) is the probability that the parent begins by each part's end.
    """
    spared = np.ones((len(state.day), PARTS))
    at_risk = np.flatnonzero(parent_by[:, -1] > 1e-7)
    begins = np.diff(parent_by[at_risk], axis=1, prepend=0.0)
    age = (state.day[at_risk] + state.window[at_risk] / 2 - state.birth[at_risk]) / YEAR
    chance = edge_probability(parameters, edge, state.female[at_risk], age)
    # From the middle of a part to the end of the same part, of the next, and so on.
    steps = (np.arange(PARTS) + 0.5) / PARTS
    # Windows of months have few lengths.
    window, of_window = np.unique(state.window[at_risk], return_inverse=True)
    acted = gammainc(edge.lag_shape, window[:, None] * steps / edge.lag_scale)[of_window]
    acted *= chance[:, None]
    for part in range(PARTS):
        spared[at_risk, part:] -= begins[:, part, None] * acted[:, : PARTS - part]
    return spared


def _survival(parameters: Parameters, disease: int, state: State) -> np.ndarray:
    """Return float64 (forecasts, PARTS): P(alive at the window's end | onset in a part)."""
    left = state.window[:, None] * (1 - (np.arange(PARTS) + 0.5) / PARTS)
    dead = -np.expm1(-left / max(parameters.fatal_scale[disease], 1.0))
    age = (state.day + state.window / 2 - state.birth) / YEAR
    survival: np.ndarray = 1 - fatal_probability(parameters, disease, age)[:, None] * dead
    return survival
