"""The posterior of the onsets, compared with the sum over all states."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.special import gammainc

from behrt.simulation.days import YEAR, day_number
from behrt.simulation.hidden_onsets import EDGES, RECORDED, Beliefs, Histories, Tables
from behrt.simulation.onsets import edge_probability, spontaneous_share
from behrt.simulation.world import Edge, Parameters, make_world

DISEASES = 3
START, DAY = day_number("2000-01-01"), day_number("2005-06-01")
WINDOW = np.array([0.0, 90.0, 180.0])
# The second disease is first recorded in follow-up.
FIRST = np.array([np.inf, START + 400.0, np.inf])
BIRTH = START - 50 * YEAR


@cache
def every_parameter() -> Parameters:
    return make_world(2, 5).parameters


def small(edges: list[Edge]) -> Parameters:
    """Return the parameters of three diseases, with some edges."""
    full = every_parameter()
    cut = {
        name: value[..., :DISEASES]
        for name, value in vars(full).items()
        if name not in ("order", "edges_into")
    }
    into: list[list[Edge]] = [[edge for edge in edges if edge.child == d] for d in range(DISEASES)]
    parameters = replace(full, **cut, order=np.arange(DISEASES), edges_into=into)
    return replace(
        parameters,
        hazard=np.array([[0.3, 0.2, 0.4]] * 2),
        age_mean=np.array([40.0, 45.0, 50.0]),
        age_spread=np.full(DISEASES, 12.0),
        childhood=np.array([0.2, 0.0, 0.0]),
    )


def edge(parent: int, child: int, years: float, chance: float = 0.6) -> Edge:
    return Edge(parent, child, chance, 0.01, 1.3, years * YEAR / 3, 3.0)


def histories() -> Histories:
    one = np.ones(1)
    return Histories(one > 0, BIRTH * one, START * one, DAY + WINDOW[None], FIRST[None])


def by_enumeration(parameters: Parameters, likelihood: np.ndarray) -> np.ndarray:
    """Return P(state) of each disease, (diseases, states), summed over all states of all."""
    states = likelihood.shape[1]

    def ends(disease: int) -> list[tuple[float, float]]:
        """Return the days after and up to which an onset is, for each state but the last."""
        bins = list(itertools.pairwise(START - 1 - EDGES))
        parts = list(itertools.pairwise(DAY + WINDOW))
        first = FIRST[disease]
        return [*bins, (first - 1, first), *parts]

    def lag_over(link: Edge, state: int, day: float) -> float:
        """Return P(the parent has caused the child by a day | the parent's state)."""
        if state == states - 1:
            return 0.0
        low, high = ends(link.parent)[state]
        # In a bin, the onset is uniform; elsewhere it is in the middle, or on the day.
        onsets = np.array([high if state == RECORDED else (low + high) / 2])
        if state < RECORDED:
            low, high = START - EDGES[state], START - EDGES[state + 1]
            onsets = low + (high - low) * (np.arange(5) + 0.5) / 5
            middle = (max(low, BIRTH) + high) / 2
            age = max(middle - BIRTH, 0) / YEAR
            if day >= START:
                onsets = np.array([middle])
            else:
                day += 1
        else:
            age = (onsets[0] - BIRTH) / YEAR
        chance = edge_probability(parameters, link, np.array([True]), np.array([age]))[0]
        lag = np.maximum(day - onsets, 0) / link.lag_scale
        return float(chance * gammainc(link.lag_shape, lag).mean())

    def free(disease: int, day: float, chosen: tuple[int, ...]) -> float:
        """Return P(no onset up to a day | the parents' states)."""
        share = spontaneous_share(
            parameters, np.array([disease]), np.array([(day + 1 - BIRTH) / YEAR])
        )[0]
        chance = 1 + np.expm1(-parameters.hazard[1, disease]) * share
        for link in parameters.edges_into[disease]:
            chance *= 1 - lag_over(link, chosen[link.parent], day)
        return float(chance)

    total = np.zeros((DISEASES, states))
    possible = [np.flatnonzero(likelihood[d]).tolist() for d in range(DISEASES)]
    known: dict[tuple[int, ...], float] = {}
    for chosen in itertools.product(*possible):
        weight = 1.0
        for disease, state in enumerate(chosen):
            parents = {link.parent for link in parameters.edges_into[disease]}
            key = (disease, state, *(chosen[d] if d in parents else -1 for d in range(DISEASES)))
            if key not in known:
                if state == states - 1:
                    known[key] = free(disease, DAY + WINDOW[-1], chosen)
                else:
                    low, high = ends(disease)[state]
                    known[key] = free(disease, low, chosen) - free(disease, high, chosen)
            weight *= known[key] * likelihood[disease, state]
        for disease, state in enumerate(chosen):
            total[disease, state] += weight
    posterior: np.ndarray = total / total.sum(axis=1, keepdims=True)
    return posterior


def posterior(edges: list[Edge]) -> tuple[np.ndarray, np.ndarray]:
    """Return P(state) by messages and by enumeration."""
    parameters = small(edges)
    past = histories()
    likelihood = np.random.default_rng(3).uniform(0.05, 1, (DISEASES, past.states))
    likelihood[np.isinf(FIRST), RECORDED] = 0
    # Some bins are enough, and a recorded disease has begun.
    likelihood[:, : RECORDED - 9] = 0
    likelihood[:, RECORDED - 9 : RECORDED : 2] = 0
    likelihood[np.isfinite(FIRST), RECORDED + 1 :] = 0
    beliefs = Beliefs(Tables(parameters), past, cascades=True)
    risk = -np.expm1(-parameters.hazard[1])
    beliefs.begin(risk[:, None], likelihood[:, :, None].astype(np.float32))
    for _ in range(12):
        beliefs.pass_up()
        beliefs.pass_down()
    return beliefs.belief[..., 0], by_enumeration(parameters, likelihood)


@pytest.mark.parametrize(
    "edges",
    [
        [edge(0, 1, 2.0), edge(1, 2, 0.5)],
        [edge(0, 2, 2.0), edge(1, 2, 0.5, 0.3)],
        [edge(0, 1, 0.3), edge(0, 2, 4.0)],
    ],
    ids=["chain", "two parents", "two children"],
)
def test_the_posterior_of_a_graph_without_loops_is_exact(edges: list[Edge]) -> None:
    messages, exact = posterior(edges)
    np.testing.assert_allclose(messages, exact, atol=3e-4)


def test_a_loop_costs_little() -> None:
    edges = [edge(0, 1, 2.0), edge(0, 2, 4.0), edge(1, 2, 0.5)]
    messages, exact = posterior(edges)
    assert np.abs(messages - exact).max() < 3e-3
