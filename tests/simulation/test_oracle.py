"""The forecasts of the oracle, compared with outcomes of the process."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.evaluation.metrics import sample_average_precision
from behrt.settings.simulation import ProcessSettings
from behrt.simulation import expected_onsets, oracle
from behrt.simulation.coding import Coding
from behrt.simulation.days import day_number
from behrt.simulation.expected_recordings import flare_up_due, latest_review, review_due
from behrt.simulation.oracle import (
    next_visit_probabilities,
    true_probabilities,
    visit_probability,
)
from behrt.simulation.people import make_people
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.recordings import Cases, flare_ups, review_day, reviews
from behrt.simulation.state import State
from behrt.simulation.world import World, make_world

SEED = 5
DAY, WINDOW = day_number("2005-06-01"), 183
SETTINGS = ProcessSettings()


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(30, SEED)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, 1, 8_000, SEED, SETTINGS)


@pytest.fixture(scope="module")
def survivors(block: Block) -> np.ndarray:
    """Rows of people registered before the day and alive at the window's end."""
    alive = (pl.col("death_day").is_null()) | (pl.col("death_day") > DAY + WINDOW)
    rows = block.people.with_row_index("row").filter(alive, pl.col("registration_start") <= DAY)
    return rows["row"].to_numpy().astype(np.int64)


@pytest.fixture(scope="module")
def forecast(world: World, block: Block, survivors: np.ndarray) -> np.ndarray:
    day = np.full(len(survivors), DAY)
    return true_probabilities(world, block, survivors, day, WINDOW, SETTINGS)


def recorded(world: World, block: Block, rows: np.ndarray, begun: bool) -> np.ndarray:
    """Return bool (rows, diseases): recorded in the window, or begun up to the day."""
    events = block.onsets if begun else block.diagnoses
    inside = pl.col("day") <= DAY if begun else pl.col("day").is_between(DAY + 1, DAY + WINDOW)
    matrix = np.zeros((block.people.height, len(world.diseases)), dtype=bool)
    events = events.filter(inside)
    first = block.people["person"][0]
    matrix[events["person"].to_numpy() - first, events["disease"].to_numpy()] = True
    return matrix[rows]


def close(expected: np.ndarray, observed: np.ndarray, slack: float) -> bool:
    """Return whether a count is within 4 standard deviations, and a share, of the expectation."""
    spread = np.sqrt((expected * (1 - expected)).sum())
    return abs(observed.sum() - expected.sum()) < 4 * spread + slack * expected.sum()


def test_forecasts_are_calibrated_at_every_level(
    world: World, block: Block, survivors: np.ndarray, forecast: np.ndarray
) -> None:
    """For diseases that have begun, and those that have not."""
    happened = recorded(world, block, survivors, begun=False)
    begun = recorded(world, block, survivors, begun=True)
    for group in (begun, ~begun):
        levels = np.digitize(forecast[group], [1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4, 0.6])
        for level in np.unique(levels):
            chosen = levels == level
            if forecast[group][chosen].sum() > 20:
                assert close(forecast[group][chosen], happened[group][chosen], 0.01)


def test_forecasts_are_calibrated_for_every_disease(
    world: World, block: Block, survivors: np.ndarray, forecast: np.ndarray
) -> None:
    happened = recorded(world, block, survivors, begun=False)
    often = np.flatnonzero(forecast.sum(axis=0) > 15)
    assert len(often) > 30
    assert all(close(forecast[:, d], happened[:, d], 0.02) for d in often)


def test_forecasts_are_calibrated_along_a_chain_of_causes(world: World) -> None:
    """Three diseases, of which one causes the next, in many people, so that small errors show."""
    diseases = world.diseases[:3].with_columns(
        name=pl.Series(["first", "second", "third"]),
        sex=pl.lit("both"),
        female_to_male=pl.Series([1.0, 1.5, 1.0]),
        lifetime_risk=pl.Series([0.94, 0.5, 0.3]),
        onset_mean=pl.Series([50.0, 55.0, 60.0]),
        onset_spread=pl.lit(9.0),
        childhood_share=pl.Series([0.1, 0.0, 0.0]),
        pattern=pl.Series(["once", "recurrent", "chronic"]),
        hospital_share=pl.lit(0.5),
        fatality=pl.Series([0.5, 0.0, 0.2]),
        fatal_lag_years=pl.lit(0.2),
    )
    risks = pl.DataFrame(
        {
            "parent": pl.Series([0, 1, 0], dtype=pl.Int16),
            "child": pl.Series([1, 2, 2], dtype=pl.Int16),
            "probability": [0.9, 0.9, 0.3],
            "age_slope": [0.01, 0.0, 0.0],
            "female_ratio": [1.0, 1.5, 1.0],
            "lag_years": [0.15, 0.1, 4.0],
            "lag_shape": [1.5, 1.5, 3.0],
            "share": [0.5, 0.95, 0.05],
            "known": [True, True, True],
        }
    )
    small = World(world.practices, diseases, risks)
    block = simulate_block(small, 1, 100_000, SEED, SETTINGS)
    alive = (pl.col("death_day").is_null()) | (pl.col("death_day") > DAY + WINDOW)
    rows = block.people.with_row_index("row").filter(alive, pl.col("registration_start") <= DAY)
    chosen = rows["row"].to_numpy().astype(np.int64)
    day = np.full(len(chosen), DAY)
    forecast = true_probabilities(small, block, chosen, day, WINDOW, SETTINGS)
    happened = recorded(small, block, chosen, begun=False)
    begun = recorded(small, block, chosen, begun=True)
    healthy = ~begun.any(axis=1)
    for disease in range(3):
        assert happened[healthy, disease].sum() > 100
        for group in (healthy, ~healthy & ~begun[:, disease], begun[:, disease]):
            assert close(forecast[group, disease], happened[group, disease], 0.0)


def test_forecasts_discriminate(
    world: World, block: Block, survivors: np.ndarray, forecast: np.ndarray
) -> None:
    happened = recorded(world, block, survivors, begun=False)
    assert forecast[happened].mean() > 10 * forecast[~happened].mean()


def test_forecasts_are_probabilities_and_zero_for_the_other_sex(
    world: World, block: Block, survivors: np.ndarray, forecast: np.ndarray
) -> None:
    assert forecast.dtype == np.float32
    assert forecast.shape == (len(survivors), 301)
    assert (forecast >= 0).all()
    assert (forecast <= 1).all()
    male = block.people["sex"].to_numpy()[survivors] == 1
    sex = world.diseases["sex"].cast(pl.String).to_numpy()
    assert (forecast[male][:, sex == "female"] == 0).all()
    assert (forecast[~male][:, sex == "male"] == 0).all()


def test_nothing_after_the_day_is_read(world: World, block: Block, survivors: np.ndarray) -> None:
    past = replace(
        block,
        onsets=block.onsets.filter(pl.col("day") <= DAY),
        diagnoses=block.diagnoses.filter(pl.col("day") <= DAY),
    )
    rows = survivors[:300]
    day = np.full(len(rows), DAY)
    whole = true_probabilities(world, block, rows, day, WINDOW, SETTINGS)
    cut = true_probabilities(world, past, rows, day, WINDOW, SETTINGS)
    assert (whole == cut).all()


def test_longer_windows_have_more_diseases(
    world: World, block: Block, survivors: np.ndarray
) -> None:
    rows = np.repeat(survivors[:200], 2)
    window = np.tile([WINDOW, 2 * WINDOW], 200)
    day = np.full(len(rows), DAY)
    both = true_probabilities(world, block, rows, day, window, SETTINGS)
    assert both[1::2].sum() > 1.5 * both[::2].sum()


def next_visit(world: World, block: Block, rows: np.ndarray) -> np.ndarray:
    """Return bool (rows, diseases): recorded on the first day after DAY with any record."""
    later = block.diagnoses.filter(pl.col("day") > DAY)
    first = later.filter(pl.col("day") == pl.col("day").min().over("person"))
    first = first.filter(pl.col("day") <= DAY + oracle.HORIZON)
    matrix = np.zeros((block.people.height, len(world.diseases)), dtype=bool)
    matrix[first["person"].to_numpy() - block.people["person"][0], first["disease"].to_numpy()] = 1
    return matrix[rows]


def test_forecasts_of_the_next_visit_are_calibrated(
    world: World, block: Block, survivors: np.ndarray
) -> None:
    """At every level and for every disease, given that there is a next visit."""
    rows = survivors[::2]
    happened = next_visit(world, block, rows)
    some = happened.any(axis=1)
    rows, happened = rows[some], happened[some]
    day = np.full(len(rows), DAY)
    exact = Coding.exact(len(world.diseases))
    forecast = next_visit_probabilities(world, block, rows, day, SETTINGS, exact)
    begun = recorded(world, block, rows, begun=True)
    for group in (begun, ~begun):
        levels = np.digitize(forecast[group], [1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4, 0.6])
        for level in np.unique(levels):
            chosen = levels == level
            if forecast[group][chosen].sum() > 20:
                assert close(forecast[group][chosen], happened[group][chosen], 0.03)
    often = np.flatnonzero(forecast.sum(axis=0) > 15)
    assert len(often) > 15
    assert all(close(forecast[:, d], happened[:, d], 0.03) for d in often)


def test_the_grid_costs_less_than_half_a_point(
    world: World, block: Block, survivors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare the mean average precision with that of parts a third as long."""
    exact = Coding.exact(len(world.diseases))
    following = next_visit(world, block, survivors)
    rows = survivors[following.any(axis=1)][:250]
    label = next_visit(world, block, rows)
    in_window = recorded(world, block, rows, begun=False)
    day = np.full(len(rows), DAY)
    fine: dict[int, list[float]] = {}
    for parts in (expected_onsets.PARTS, 3 * expected_onsets.PARTS):
        monkeypatch.setattr(expected_onsets, "PARTS", parts)
        visit = next_visit_probabilities(world, block, rows, day, SETTINGS, exact)
        window = true_probabilities(world, block, rows, day, WINDOW, SETTINGS)
        fine[parts] = [
            np.nanmean(sample_average_precision(scores, labels)).item()
            for scores, labels in ((visit, label), (window, in_window))
        ]
    coarse, finer = fine.values()
    assert finer == pytest.approx(coarse, abs=0.005)


def test_forecasts_of_any_visit_are_calibrated(
    world: World, block: Block, survivors: np.ndarray
) -> None:
    rows = survivors[::2]
    happened = recorded(world, block, rows, begun=False).any(axis=1)
    day = np.full(len(rows), DAY)
    exact = Coding.exact(len(world.diseases))
    forecast = visit_probability(world, block, rows, day, WINDOW, SETTINGS, exact)
    levels = np.digitize(forecast, [0.1, 0.2, 0.4, 0.6, 0.8, 0.95])
    for level in np.unique(levels):
        assert close(forecast[levels == level], happened[levels == level], 0.01)
    shorter = visit_probability(world, block, rows, day, 30, SETTINGS, exact)
    assert (shorter <= forecast).all()


def test_a_record_without_a_code_is_not_a_visit(
    world: World, block: Block, survivors: np.ndarray
) -> None:
    """If GPs have no codes, only admissions are visits."""
    rows = survivors[:150]
    day = np.full(len(rows), DAY)
    diseases = len(world.diseases)
    hospital_only = Coding(np.zeros((diseases, diseases)), np.eye(diseases))
    either = Coding.exact(diseases)
    in_hospital, gp = world.parameters.hospital > 0, world.parameters.hospital == 0
    silent = gp & ~world.parameters.chronic & (world.parameters.admissions == 0)
    by = [
        next_visit_probabilities(world, block, rows, day, SETTINGS, coding)
        for coding in (hospital_only, either)
    ]
    assert in_hospital.any()
    assert (by[0][:, silent] == 0).all()
    for forecast in by:
        assert (forecast >= 0).all()
        assert (forecast <= 1).all()
        assert (forecast.sum(axis=1) > 0.99).all()  # a visit has at least one
    window = true_probabilities(world, block, rows, day, WINDOW, SETTINGS, hospital_only)
    whole = true_probabilities(world, block, rows, day, WINDOW, SETTINGS, either)
    assert (window <= whole + 1e-6).all()
    assert window.sum() < 0.7 * whole.sum()


def test_no_rows_give_no_forecasts(world: World, block: Block) -> None:
    nobody = np.zeros(0, dtype=np.int64)
    assert true_probabilities(world, block, nobody, nobody, WINDOW, SETTINGS).shape == (0, 301)


@pytest.mark.parametrize("name", ["Gout", "Hypertension", "Depression", "Asthma", "Tinnitus"])
@pytest.mark.parametrize("elapsed", [20, 250, 700])
def test_the_next_recording_is_forecast_as_simulated(world: World, name: str, elapsed: int) -> None:
    """Compare the closed form with 40,000 simulations, those without a recording so far."""
    parameters = world.parameters
    count, onset = 40_000, day_number("2000-01-01")
    index = world.diseases["name"].to_list().index(name)
    disease = np.full(count, index)
    random = np.random.default_rng([SEED, index, elapsed])
    cases = Cases(np.arange(count), disease, np.full(count, onset), np.full(count, onset + 3_000))
    people = make_people(world, 1, count, random, SETTINGS)
    if parameters.chronic[index]:
        parts = reviews(parameters, people, cases, random, SETTINGS)
    else:
        parts = flare_ups(parameters, cases, random)
    second = np.full(count, 2**30)
    if len(parts) > 1:
        second[parts[1].row] = parts[1].day
    waiting = second > onset + elapsed
    happened = second[waiting] <= onset + elapsed + WINDOW
    last = np.full((waiting.sum(), len(world.diseases)), np.inf)
    last[:, index] = onset
    state = State(
        person=people.person[waiting],
        female=people.female[waiting],
        birth=people.birth[waiting].astype(np.float64),
        phase=people.phase[waiting],
        recording=people.recording[waiting],
        susceptibility=people.susceptibility[waiting],
        day=np.full(waiting.sum(), onset + elapsed),
        window=np.full(waiting.sum(), WINDOW),
        onset=last,
        last=last,
    )
    row = np.arange(waiting.sum())
    if parameters.chronic[index]:
        due = review_due(parameters, state, row, disease[waiting], SETTINGS)
    else:
        due = flare_up_due(parameters, state, row, disease[waiting])
    assert close(due, happened, 0.0)


@given(
    person=st.integers(1, 2**40),
    phase=st.integers(0, 119),
    day=st.integers(5_000, 18_000),
    spacing=st.sampled_from([30.0, 75.5, 120.0]),
)
def test_the_latest_review_is_the_last_up_to_the_day(
    person: int, phase: int, day: int, spacing: float
) -> None:
    person_, phase_ = np.array([person]), np.array([phase])
    review = latest_review(person_, phase_, np.array([day]), spacing)
    assert review_day(person_, phase_, review, spacing)[0] <= day
    assert review_day(person_, phase_, review + 1, spacing)[0] > day
