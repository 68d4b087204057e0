"""The process continued by chance: against what happened, and against the closed form."""

import numpy as np
import polars as pl
import pytest

from behrt.simulation import continuation
from behrt.simulation.coding import Coder, Coding
from behrt.simulation.continuation import Continued, continue_process, shares, tally
from behrt.simulation.oracle import (
    next_visit_probabilities,
    true_probabilities,
    visit_probability,
)
from behrt.simulation.process import (
    Block,
    ProcessSettings,
    World,
    day_number,
    make_world,
    simulate_block,
)

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


def courses(world: World, truth: Block, days: int, copies: int = COPIES) -> list[Continued]:
    day = np.full(len(truth.people), DAY)
    coder = Coder.exact(len(world.diseases))
    return list(continue_process(world, truth, day, day + days, copies, SEED, SETTINGS, coder))


@pytest.fixture(scope="module")
def window(world: World, truth: Block) -> list[Continued]:
    return courses(world, truth, WINDOW)


@pytest.fixture(scope="module")
def counted(world: World, truth: Block, window: list[Continued]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of those followed to the end, with or without a label, and how many they are."""
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
    """Tell whether shares of so many draws lie within 4 standard errors and a share of truth."""
    error = np.sqrt((closed * (1 - closed) / draws).sum())
    return abs((drawn - closed).sum()) < 4 * error + slack * closed.sum()


def test_what_is_continued_happens_as_often(
    world: World, truth: Block, counted: tuple[np.ndarray, np.ndarray]
) -> None:
    """For diseases that had begun, and those that had not; and for every frequent disease."""
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


def test_the_closed_form_forecasts_what_is_continued_in_a_window(
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


def test_the_closed_form_knows_how_likely_a_continuation_is_an_example(
    world: World, truth: Block, window: list[Continued]
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


def test_the_closed_form_forecasts_the_next_visit_that_is_continued(
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


def test_a_continuation_keeps_what_was(world: World, truth: Block, window: list[Continued]) -> None:
    """Nothing comes up to the day, after the last one, or in the refractory time of a flare-up."""
    parameters = world.parameters
    last = np.full((len(truth.people), len(world.diseases)), -np.inf)
    past = truth.diagnoses.filter(pl.col("day") <= DAY)
    place = truth.people["person"].search_sorted(past["person"]).to_numpy(), past["disease"]
    np.maximum.at(last, place, past["day"].to_numpy())
    resting = last + parameters.refractory > DAY + 1
    assert resting[:, ~parameters.chronic].sum() > 100
    for one in window:
        assert 0.95 < one.followed.mean() < 1
        assert one.day.min() == DAY + 1
        assert one.day.max() == DAY + WINDOW
        flare = ~parameters.chronic[one.phenotype]
        place = one.patients[one.row[flare]], one.phenotype[flare]
        assert (one.day[flare] >= last[place] + parameters.refractory[place[1]]).all()


def test_nothing_after_the_day_is_used_and_a_patient_need_not_stand_with_others(
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
    for name in ("patients", "followed", "row", "day", "phenotype"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name)), name
    monkeypatch.setattr(continuation, "AT_ONCE", 40)
    assert [len(one.patients) for one in courses(world, few, WINDOW, 4)] == [40, 40, 40]


def test_examples_and_labels_are_counted_by_hand() -> None:
    """Three continuations of patient 0, and two of patient 1, who dies in the second."""
    one = Continued(
        patients=np.array([0, 0, 0, 1, 1]),
        followed=np.array([True, True, True, True, False]),
        row=np.array([0, 0, 0, 2, 2, 4, 4]),
        day=np.array([11, 11, 30, 12, 90, 13, 13]),
        phenotype=np.array([2, 3, 2, 0, 1, 1, 3]),
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
