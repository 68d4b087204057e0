"""The process continued at random, compared with simulated outcomes and with the closed form."""

import numpy as np
import polars as pl
import pytest

from behrt.settings.simulation import ProcessSettings
from behrt.simulation import continuation
from behrt.simulation.coding import Coder, Coding
from behrt.simulation.continuation import Continuations, continue_process, shares, tally
from behrt.simulation.days import day_number
from behrt.simulation.oracle import (
    next_visit_probabilities,
    true_probabilities,
    visit_probability,
)
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.world import World, make_world

SEED, PEOPLE, COPIES = 11, 3_000, 20
DAY, WINDOW, HORIZON = day_number("2005-06-01"), 183, 1096
SETTINGS = ProcessSettings()
FRAMES = ("diagnoses", "contacts", "admissions", "onsets")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(30, SEED)


@pytest.fixture(scope="module")
def truth(world: World) -> Block:
    """People registered before the day and alive at the window's end."""
    block = simulate_block(world, 1, PEOPLE, SEED, SETTINGS)
    alive = pl.col("death_day").is_null() | (pl.col("death_day") > DAY + WINDOW)
    people = block.people.filter(alive, pl.col("registration_start") <= DAY)
    named = people.select("person")
    return Block(
        people,
        *(
            getattr(block, name).join(named, on="person", how="semi", maintain_order="left")
            for name in FRAMES
        ),
    )


def courses(world: World, truth: Block, days: int, copies: int = COPIES) -> list[Continuations]:
    day = np.full(len(truth.people), DAY)
    coder = Coder.exact(len(world.diseases))
    return list(continue_process(world, truth, day, day + days, copies, SEED, SETTINGS, coder))


@pytest.fixture(scope="module")
def window(world: World, truth: Block) -> list[Continuations]:
    return courses(world, truth, WINDOW)


@pytest.fixture(scope="module")
def counted(
    world: World, truth: Block, window: list[Continuations]
) -> tuple[np.ndarray, np.ndarray]:
    """The share of continuations followed to the end with each disease, and their number."""
    followed = np.zeros(len(truth.people))
    for one in window:
        np.add.at(followed, one.patients[one.followed], 1)
    ends = np.full(len(truth.people), DAY + WINDOW)
    _, counts = tally(window, ends, len(world.diseases), next_visit=False, parts=2)
    return counts.sum(axis=0, dtype=np.float64) / followed[:, None], followed[:, None]


def has_happened(world: World, truth: Block) -> np.ndarray:
    inside = truth.diagnoses.filter(pl.col("day").is_between(DAY + 1, DAY + WINDOW))
    rows = truth.people["person"].search_sorted(inside["person"]).to_numpy()
    matrix = np.zeros((len(truth.people), len(world.diseases)), dtype=bool)
    matrix[rows, inside["disease"].to_numpy()] = True
    return matrix


def levels_of(probability: np.ndarray) -> list[np.ndarray]:
    level = np.digitize(probability, [1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4, 0.6])
    groups = [level == number for number in np.unique(level)]
    return [group for group in groups if probability[group].sum() > 10]


def alike(drawn: np.ndarray, draws: np.ndarray, closed: np.ndarray, slack: float) -> bool:
    """Return whether shares of draws are within 4 standard errors, and a share, of the truth."""
    error = np.sqrt((closed * (1 - closed) / draws).sum())
    return abs((drawn - closed).sum()) < 4 * error + slack * closed.sum()


def test_continuations_are_calibrated(
    world: World, truth: Block, counted: tuple[np.ndarray, np.ndarray]
) -> None:
    """For diseases that have begun, those that have not, and each frequent disease."""
    happened = has_happened(world, truth)
    begun = np.zeros(happened.shape, dtype=bool)
    past = truth.onsets.filter(pl.col("day") <= DAY)
    begun[truth.people["person"].search_sorted(past["person"]), past["disease"]] = True
    drawn, _ = counted
    often = np.flatnonzero(drawn.sum(axis=0) > 15)
    assert len(often) > 10
    groups = [begun, ~begun, *(np.arange(len(world.diseases)) == [[d]] for d in often)]
    for group in groups:
        group = np.broadcast_to(group, happened.shape)
        share = drawn[group]
        spread = np.sqrt((share * (1 - share)).sum() * (1 + 1 / COPIES))
        assert abs(happened[group].sum() - share.sum()) < 4 * spread


def test_the_closed_form_agrees_with_continuations_of_a_window(
    world: World, truth: Block, counted: tuple[np.ndarray, np.ndarray]
) -> None:
    """At every level of probability and for every disease."""
    rows, day = np.arange(len(truth.people)), np.full(len(truth.people), DAY)
    closed = true_probabilities(world, truth, rows, day, WINDOW, SETTINGS).astype(np.float64)
    drawn, followed = counted
    draws = np.broadcast_to(followed, drawn.shape)
    levels = levels_of(closed)
    assert len(levels) > 5
    for group in levels:
        assert alike(drawn[group], draws[group], closed[group], 0.01)
    often = np.flatnonzero(closed.sum(axis=0) > 5)
    assert len(often) > 50
    for disease in often:
        assert alike(drawn[:, disease], draws[:, disease], closed[:, disease], 0.02)


def test_the_closed_form_agrees_on_the_probability_of_a_visit(
    world: World, truth: Block, window: list[Continuations]
) -> None:
    rows, day = np.arange(len(truth.people)), np.full(len(truth.people), DAY)
    exact = Coding.exact(len(world.diseases))
    closed = visit_probability(world, truth, rows, day, WINDOW, SETTINGS, exact)
    ends = day + WINDOW
    some, _ = tally(window, ends, len(world.diseases), next_visit=False)
    followed = np.zeros(len(day))
    for one in window:
        np.add.at(followed, one.patients[one.followed], 1)
    drawn = some[0] / followed
    for group in levels_of(closed):
        assert alike(drawn[group], followed[group], closed[group], 0.01)


def test_the_closed_form_agrees_with_continuations_to_the_next_visit(
    world: World, truth: Block
) -> None:
    few = Block(truth.people[:1000], *(getattr(truth, n) for n in FRAMES))
    rows, day = np.arange(1000), np.full(1000, DAY)
    exact = Coding.exact(len(world.diseases))
    closed = next_visit_probabilities(world, few, rows, day, SETTINGS, exact).astype(np.float64)
    end = day + HORIZON
    some, counts = tally(courses(world, few, HORIZON), end, len(world.diseases), next_visit=True)
    draws = some.sum(axis=0)
    often = draws > COPIES / 2
    given, drawn = closed[often], shares(some, counts)[often]
    draws = np.broadcast_to(draws[often, None], given.shape)
    assert len(given) > 500
    for group in levels_of(given):
        assert alike(drawn[group], draws[group], given[group], 0.02)
    for disease in np.flatnonzero(given.sum(axis=0) > 5):
        columns = (matrix[:, disease] for matrix in (drawn, draws, given))
        assert alike(*columns, 0.06)


def test_a_continuation_agrees_with_the_past(
    world: World, truth: Block, window: list[Continuations]
) -> None:
    """All recordings are after the day, in the window and after the refractory time."""
    parameters = world.parameters
    last = np.full((len(truth.people), len(world.diseases)), -np.inf)
    past = truth.diagnoses.filter(pl.col("day") <= DAY)
    place = truth.people["person"].search_sorted(past["person"]).to_numpy(), past["disease"]
    np.maximum.at(last, place, past["day"].to_numpy())
    refractory = last + parameters.refractory > DAY + 1
    assert refractory[:, ~parameters.chronic].sum() > 100
    for one in window:
        assert 0.95 < one.followed.mean() < 1
        assert one.day.min() == DAY + 1
        assert one.day.max() == DAY + WINDOW
        flare = ~parameters.chronic[one.phenotype]
        place = one.patients[one.row[flare]], one.phenotype[flare]
        assert (one.day[flare] >= last[place] + parameters.refractory[place[1]]).all()


def test_nothing_after_the_day_is_read_and_chunks_have_their_size(
    world: World, truth: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Block(truth.people[:30], *(getattr(truth, name) for name in FRAMES))
    past = Block(
        few.people.with_columns(death_day=pl.lit(None, pl.Int32)),
        few.diagnoses.filter(pl.col("day") <= DAY),
        few.contacts,
        few.admissions,
        few.onsets.filter(pl.col("day") <= DAY),
    )
    whole, cut = (courses(world, block, WINDOW, 4)[0] for block in (few, past))
    for name in ("patients", "followed", "death", "row", "day", "phenotype"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name)), name
    monkeypatch.setattr(continuation, "AT_ONCE", 40)
    assert [len(one.patients) for one in courses(world, few, WINDOW, 4)] == [40, 40, 40]


def test_examples_and_labels_by_hand() -> None:
    """Three continuations of patient 0, and two of patient 1, who dies in the second."""
    one = Continuations(
        patients=np.array([0, 0, 0, 1, 1]),
        followed=np.array([True, True, True, True, False]),
        death=np.array([99, 99, 99, 99, 20]),
        row=np.array([0, 0, 0, 2, 2, 4, 4]),
        day=np.array([11, 11, 30, 12, 90, 13, 13]),
        phenotype=np.array([2, 3, 2, 0, 1, 1, 3]),
        stay_row=np.zeros(0, dtype=np.int64),
        stay_day=np.zeros(0, dtype=np.int64),
        stay_emergency=np.zeros(0),
    )
    ends = np.array([50, 50])
    examples, counts = tally([one], ends, 4, next_visit=False)
    assert examples.tolist() == [[2, 0]]
    assert counts.tolist() == [[[1, 0, 1, 1], [0, 0, 0, 0]]]
    assert shares(examples, counts).tolist() == [[0.5, 0, 0.5, 0.5], [0, 0, 0, 0]]
    examples, counts = tally([one], ends, 4, next_visit=True, parts=2)
    assert examples.tolist() == [[2, 0], [0, 1]]
    assert counts.tolist() == [[[1, 0, 1, 1], [0] * 4], [[0] * 4, [0, 1, 0, 1]]]
    weights = np.array([3.0, 1.0, 1.0, 1.0, 1.0])
    examples, counts = tally([one], ends, 4, next_visit=True, weigh=lambda _: weights)
    assert shares(examples, counts)[0].tolist() == [0.25, 0, 0.75, 0.75]
    examples, _ = tally([one], np.array([10, 13]), 4, next_visit=True)
    assert examples.tolist() == [[0, 1]]
