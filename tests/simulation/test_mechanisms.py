"""Interactions, orders and subtypes: their factors, what they cause, and that they can be off."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.settings.simulation import Mechanisms, ProcessSettings
from behrt.simulation.coding import Coder, Coding
from behrt.simulation.continuation import continue_process
from behrt.simulation.days import YEAR, day_number
from behrt.simulation.mechanisms import Modifier
from behrt.simulation.onsets import NEVER, edge_factor, make_onsets
from behrt.simulation.oracle import next_visit_probabilities, true_probabilities
from behrt.simulation.oracle_records import forecast_from_records
from behrt.simulation.people import People, make_people
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.records import Records
from behrt.simulation.world import Edge, Parameters, World, make_world

SEED = 3
EVERY = {"interactions": 2.0, "orders": 2.0, "subtypes": 2.0}
DAY, WINDOW = day_number("2005-06-01"), 183

A, B, C = 0, 1, 2
START = 10_000


@pytest.fixture(scope="module")
def plain() -> World:
    return make_world(30, SEED)


def variant(plain: World, **strengths: float) -> World:
    return replace(plain, mechanisms=Mechanisms(**strengths))


@pytest.fixture(scope="module")
def world(plain: World) -> World:
    return variant(plain, **EVERY)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, 1, 1_000, SEED, ProcessSettings())


def edges(world: World) -> list[Edge]:
    return [edge for into in world.parameters.edges_into for edge in into]


def test_no_mechanism_is_on_by_default(plain: World) -> None:
    assert ProcessSettings().mechanisms == Mechanisms(interactions=0.0, orders=0.0, subtypes=0.0)
    assert all(edge.modifiers == edge.by_subtype == () for edge in edges(plain))


def test_factors_of_one_change_no_draw(plain: World) -> None:
    """The path that a mechanism takes draws the same random numbers as that without it."""
    same = Modifier(7, 1.0, 1.0, 1.0)
    parameters = plain.parameters
    into = [
        [replace(edge, modifiers=(same,), by_subtype=(1.0, 1.0)) for edge in edges]
        for edges in parameters.edges_into
    ]
    drawn = []
    for used in (parameters, replace(parameters, edges_into=into)):
        random = np.random.default_rng(SEED)
        people = make_people(plain, 1, 400, random, ProcessSettings())
        onset, cause = make_onsets(used, people, random)
        drawn.append((onset, cause, people.death, random.random()))
    assert all(np.array_equal(one, other) for one, other in zip(*drawn, strict=True))


def test_mechanisms_are_the_same_in_all_worlds_and_for_all_strengths(world: World) -> None:
    weaker = make_world(5, SEED + 1, Mechanisms(interactions=1.0, orders=1.0, subtypes=1.0))
    for one, other in zip(edges(world), edges(weaker), strict=True):
        assert [m.disease for m in one.modifiers] == [m.disease for m in other.modifiers]
        assert np.argmax(one.by_subtype) == np.argmax(other.by_subtype)


def test_modifiers_come_before_the_children_and_are_neither_parents_nor_children(
    world: World,
) -> None:
    place = np.argsort(world.parameters.order)
    linked = {(edge.parent, edge.child) for edge in edges(world)}
    modified = [(edge, modifier) for edge in edges(world) for modifier in edge.modifiers]
    assert len(modified) > 1.5 * len(linked)
    for edge, modifier in modified:
        assert place[modifier.disease] < place[edge.child]
        assert modifier.disease != edge.parent
        assert not {(edge.parent, modifier.disease), (modifier.disease, edge.parent)} & linked


def test_strengths_are_log_ratios(plain: World) -> None:
    for edge in edges(variant(plain, interactions=1.5)):
        for modifier in edge.modifiers:
            assert modifier.before == modifier.after
            assert np.log(modifier.after / modifier.absent) == pytest.approx(1.5)
    for edge in edges(variant(plain, orders=1.5)):
        for modifier in edge.modifiers:
            assert modifier.absent == 1
            assert np.log(modifier.after / modifier.before) == pytest.approx(1.5)
    both = [edge.by_subtype for edge in edges(variant(plain, subtypes=1.5))]
    assert {round(abs(np.log(one / other)), 9) for one, other in both} == {1.5}
    assert np.mean(both) == pytest.approx(1)
    assert 0.4 < np.mean([one > other for one, other in both]) < 0.6


def test_factors_by_hand(plain: World) -> None:
    """The modifier never, after the child, before the parent, on its day, and in between."""
    edge = Edge(A, C, 0.1, 0.0, 1.0, 1.0, 1.0, (Modifier(B, 0.5, 2.0, 3.0),), (1.0, 10.0))
    people = people_at(plain, 40)
    began = np.array([NEVER, 200, 40, 50, 70] * 8, dtype=np.float32)
    onset = np.stack([np.full(40, 50, dtype=np.float32), began])
    factor = edge_factor(edge, people, np.arange(40), np.full(40, 100.0), onset)
    expected = np.array([0.5, 0.5, 2, 3, 3] * 8) * np.where(people.subtype == 1, 10, 1)
    assert set(people.subtype) == {0, 1}
    assert factor.tolist() == expected.tolist()
    assert edge.largest_factor == 30


def three_diseases(parameters: Parameters, edge: Edge) -> Parameters:
    """Return a world in which only A causes C, and nothing else begins or kills."""
    cut = {
        name: value[..., :3]
        for name, value in vars(parameters).items()
        if name not in ("order", "edges_into")
    }
    quiet = {"hazard": np.array([[1e-12] * 3] * 2), "fatality": np.zeros(3)}
    cut |= {"order": np.arange(3), "edges_into": [[], [], [edge]], **quiet}
    return replace(parameters, **cut)


def people_at(world: World, count: int) -> People:
    """Return people who are alive on the day `START`, and live for ever."""
    people = make_people(world, 1, count, np.random.default_rng(SEED), ProcessSettings())
    return replace(
        people,
        birth=np.full(count, START - 50 * YEAR, dtype=np.float32),
        start=np.full(count, START, dtype=np.float32),
        death=np.full(count, NEVER),
    )


def shares_of_c(world: World, edge: Edge, a: float, b: float) -> tuple[float, float]:
    """Return the share of each subtype with C, if A and B have begun on these days."""
    people = people_at(world, 20_000)
    begun = np.full((3, 20_000), NEVER)
    begun[A], begun[B] = a, b
    parameters = three_diseases(world.parameters, edge)
    onset, _ = make_onsets(parameters, people, np.random.default_rng(SEED), begun)
    some = onset[C] < NEVER
    return some[people.subtype == 0].mean(), some[people.subtype == 1].mean()


def test_what_is_caused_by_hand(plain: World) -> None:
    """A causes C in 10 % of its cases; the lag is so long that C comes after `START`."""
    causes = Edge(A, C, 0.1, 0.0, 1.0, 20.0, 50.0)
    close = {"abs": 4 * (0.1 / 10_000) ** 0.5}

    only_with_b = replace(causes, modifiers=(Modifier(B, 0.0, 4.0, 4.0),))
    with_both = pytest.approx((0.4, 0.4), abs=0.02)
    assert shares_of_c(plain, only_with_b, START - 9, START - 20) == with_both
    assert shares_of_c(plain, only_with_b, START - 9, START - 2) == with_both
    assert shares_of_c(plain, only_with_b, START - 9, NEVER) == (0, 0)
    assert shares_of_c(plain, only_with_b, NEVER, START - 20) == (0, 0)

    in_order = replace(causes, modifiers=(Modifier(B, 1.0, 0.0, 2.0),))
    a_then_b = shares_of_c(plain, in_order, START - 9, START - 2)
    assert a_then_b == pytest.approx((0.2, 0.2), **close)
    assert shares_of_c(plain, in_order, START - 2, START - 9) == (0, 0)
    assert shares_of_c(plain, in_order, START - 9, NEVER) == pytest.approx((0.1, 0.1), **close)

    of_subtype = replace(causes, by_subtype=(2.0, 0.0))
    share, none = shares_of_c(plain, of_subtype, START - 9, NEVER)
    assert share == pytest.approx(0.2, **close)
    assert none == 0


def test_a_cohort_shows_the_ratio_of_an_interaction(plain: World) -> None:
    """The pooled ratio of shares caused, with the modifier before the parent or never (Mantel and
    Haenszel, JNCI 1959)."""
    world = variant(plain, interactions=1.5)
    onsets = simulate_block(world, 1, 4_000, SEED, ProcessSettings()).onsets
    with_modifier = without = top = bottom = 0.0
    of_disease = {d: frame for (d,), frame in onsets.group_by("disease")}
    for edge in edges(world):
        if not edge.modifiers or edge.probability * edge.largest_factor > 0.2:
            continue
        cases = of_disease[edge.parent].select("person", "day")
        b, c = (
            of_disease[d].select("person", pl.col("cause", "day").name.suffix(f"_{name}"))
            for d, name in ((edge.modifiers[0].disease, "b"), (edge.child, "c"))
        )
        found = cases.join(b, on="person", how="left").join(c, on="person", how="left")
        present = (found["day_b"] < found["day"]).fill_null(False)
        absent = found["day_b"].is_null()
        caused = (found["cause_c"] == edge.parent).fill_null(False)
        n = present.sum() + absent.sum()
        with_modifier += (caused & present).sum()
        without += (caused & absent).sum()
        top += (caused & present).sum() * absent.sum() / n
        bottom += (caused & absent).sum() * present.sum() / n
    error = (1 / with_modifier + 1 / without) ** 0.5
    assert error < 0.15
    assert np.log(top / bottom) == pytest.approx(1.5, abs=4 * error)


def test_the_ceilings_in_closed_form_refuse_a_mechanism(world: World, block: Block) -> None:
    rows, day, settings = np.arange(2), np.full(2, DAY), ProcessSettings()
    exact = Coding.exact(len(world.diseases))
    message = "simulation.process.mechanisms: the closed form of .*oracle.* pairwise and additive"
    with pytest.raises(InputError, match=message):
        true_probabilities(world, block, rows, day, WINDOW, settings)
    with pytest.raises(InputError, match=message):
        next_visit_probabilities(world, block, rows, day, settings, exact)
    none = Records(*([np.empty(0)] * len(Records.__dataclass_fields__)))
    with pytest.raises(InputError, match=message):
        forecast_from_records(world, none, None, settings, exact)


def test_continuations_account_for_mechanisms(world: World, block: Block) -> None:
    """Continued with the mechanisms, the expected number of new diseases is the observed one."""
    alive = pl.col("death_day").is_null() | (pl.col("death_day") > DAY + WINDOW)
    people = block.people.filter(alive, pl.col("registration_start") <= DAY)
    truth = replace(block, people=people)
    day, copies = np.full(len(people), DAY), 4
    coder = Coder.exact(len(world.diseases))
    past = block.onsets.filter(pl.col("day") <= DAY)
    begun = np.zeros((len(people), len(world.diseases)), dtype=bool)
    known = past.join(people.select("person"), on="person")
    begun[people["person"].search_sorted(known["person"]), known["disease"]] = True
    inside = block.diagnoses.filter(pl.col("day").is_between(DAY + 1, DAY + WINDOW))
    inside = inside.join(people.select("person"), on="person").unique(["person", "disease"])
    place = people["person"].search_sorted(inside["person"]).to_numpy()
    observed = (~begun[place, inside["disease"]]).sum()
    expected = alive_copies = 0
    courses = continue_process(
        world, truth, day, day + WINDOW, copies, SEED, ProcessSettings(), coder
    )
    for one in courses:
        kept = one.followed[one.row]
        pairs = np.unique(np.stack([one.row[kept], one.phenotype[kept]]), axis=1)
        expected += (~begun[one.patients[pairs[0]], pairs[1]]).sum()
        alive_copies += one.followed.sum()
    share = expected / alive_copies * len(people)
    assert share > 50
    assert abs(observed - share) < 4 * (share * (1 + 1 / copies)) ** 0.5
