"""True risks of outcomes: against simulated outcomes, and the closed form against continuations."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coder
from behrt.simulation.days import day_number
from behrt.simulation.outcome_ceiling import Asked, true_risks
from behrt.simulation.people import alive_on, baseline_death
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.visits import stay_probability
from behrt.simulation.world import Parameters, World, make_world

SEED, PEOPLE, COPIES = 11, 3_000, 10
DAY = day_number("2005-06-01")
SETTINGS = ProcessSettings()
DIABETES = "Diabetes"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(30, SEED)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    """People who are registered and alive on the day."""
    made = simulate_block(world, 1, PEOPLE, SEED, SETTINGS)
    alive = pl.col("death_day").is_null() | (pl.col("death_day") > DAY)
    people = made.people.filter(alive, pl.col("registration_start") <= DAY)
    return replace(made, people=people)


def risks_of(
    world: World, asked: Asked, outcome: OutcomeSettings, events: list[int], copies: int = COPIES
) -> np.ndarray:
    coder = Coder.exact(len(world.diseases))
    return true_risks(world, asked, outcome, events, copies, SEED, SETTINGS, coder)


def asked_on(block: Block, days: int) -> Asked:
    day = np.full(block.people.height, DAY)
    return Asked(block, day, day + days)


def within(frame: pl.DataFrame, block: Block, days: int, number: int = 1) -> np.ndarray:
    """Return bool (people): whether some have a number of rows on different days in the window."""
    rows = frame.filter(pl.col("day").is_between(DAY + 1, DAY + days))
    counts = rows.group_by("person").agg(pl.col("day").n_unique())
    joined = block.people.select("person").join(counts, on="person", how="left")
    return joined["day"].fill_null(0).to_numpy() >= number


@pytest.mark.parametrize(
    ("settings", "days"),
    [
        ({"event": "death"}, 2000),
        ({"disease": DIABETES}, 1500),
        ({"event": "emergency_admission"}, 365),
        ({"event": "admission", "at_least": 2}, 730),
    ],
)
def test_true_risks_are_calibrated(
    world: World, block: Block, settings: dict[str, Any], days: int
) -> None:
    outcome = OutcomeSettings.model_validate({**settings, "days": days})
    names = world.diseases["name"].to_list()
    events = [i for i, name in enumerate(names) if DIABETES in name] if outcome.disease else []
    if outcome.event == "death":
        rows = block.people.select("person", day="death_day").drop_nulls()
    elif events:
        rows = block.diagnoses.filter(pl.col("disease").is_in(events))
    else:
        stays = block.admissions.rename({"admitted_day": "day"})
        rows = stays.filter(pl.col("emergency") | pl.lit(outcome.event == "admission"))
    happened = within(rows, block, days, outcome.at_least)
    risks = risks_of(world, asked_on(block, days), outcome, events)
    assert happened.sum() > 40
    # For all, and for the third with the highest risks.
    for group in (risks >= 0, risks >= np.quantile(risks, 2 / 3)):
        share = risks[group]
        spread = np.sqrt((share * (1 - share)).sum() * (1 + 1 / COPIES))
        assert abs(happened[group].sum() - share.sum()) < 4 * spread + 0.02 * share.sum()


def test_continuations_agree_with_the_closed_form_of_an_admission(
    world: World, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(block, people=block.people[:400])
    asked = replace(asked_on(few, 30), admitted=np.full(400, DAY - 3))
    outcome = OutcomeSettings(event="emergency_admission", days=30)
    closed = risks_of(world, asked, outcome, [])
    monkeypatch.setattr(Parameters, "pairwise", False)
    drawn = risks_of(world, asked, outcome, [], copies=100)
    for group in (closed >= 0, closed >= np.median(closed)):
        assert drawn[group].mean() == pytest.approx(closed[group].mean(), rel=0.1)


def test_a_stay_that_ends_before_the_next_admission_makes_it_likelier(
    world: World, block: Block
) -> None:
    asked = asked_on(replace(block, people=block.people[:400]), 30)
    outcome = OutcomeSettings(event="admission", days=30)
    longer = replace(asked, admitted=np.full(len(asked.day), DAY - 5))
    assert (risks_of(world, longer, outcome, []) > risks_of(world, asked, outcome, [])).all()


def test_probabilities_of_stays_and_of_life_are_those_that_are_drawn() -> None:
    exactly, longer = stay_probability(np.arange(200), np.full(200, 80.0))
    assert exactly.sum() == pytest.approx(1, abs=1e-6)
    assert longer == pytest.approx(exactly[::-1].cumsum()[::-1], abs=1e-6)
    many = np.ones(40_000)
    random = np.random.default_rng(3)
    days = baseline_death(many > 0, -30_000 * many, 0 * many, random, SETTINGS)
    for day in (1, 2, 400, 4000):
        share = alive_on(many[:1] > 0, -30_000 * many[:1], 0 * many[:1], day * many[:1], SETTINGS)
        assert (days >= day).mean() == pytest.approx(share[0], abs=0.01)
