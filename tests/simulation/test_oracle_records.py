"""The forecasts from records, compared with outcomes of the process and with the oracle."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.evaluation.metrics import sample_average_precision
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coding
from behrt.simulation.days import day_number
from behrt.simulation.oracle import next_visit_probabilities, true_probabilities, visit_probability
from behrt.simulation.oracle_records import forecast_from_records
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.records import Records, read_records
from behrt.simulation.world import World, make_world

SEED = 5
START, DAY, WINDOW = day_number("1998-01-01"), day_number("2005-06-01"), 183
SETTINGS = ProcessSettings()
EXACT = Coding.exact(301)
PATIENTS = 250


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(30, SEED)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, 1, 2_000, SEED, SETTINGS)


@pytest.fixture(scope="module")
def rows(block: Block) -> np.ndarray:
    """People registered before the start, alive at the window's end, with a record of each."""
    alive = (pl.col("death_day").is_null()) | (pl.col("death_day") > DAY + WINDOW)
    followed = block.people.with_row_index("row").filter(
        alive, pl.col("registration_start") <= START
    )
    labelled = block.diagnoses.filter(pl.col("day").is_between(DAY + 1, DAY + WINDOW))
    chosen = followed.join(labelled, on="person", how="semi")
    return chosen["row"].to_numpy().astype(np.int64)[:PATIENTS]


@pytest.fixture(scope="module")
def records(block: Block, rows: np.ndarray) -> Records:
    """All that is recorded from the start to the day, as if no record were lost."""
    people = block.people[rows].with_row_index("at")
    seen = (
        block.diagnoses.filter(pl.col("day").is_between(START, DAY))
        .join(people.select("at", "person"), on="person")
        .unique(["at", "disease", "day"])
        .sort("at", "disease", "day")
    )
    return Records(
        people["sex"].to_numpy() == 2,
        people["birth_day"].to_numpy().astype(np.float64),
        people["practice"].to_numpy().astype(np.int64),
        np.full(len(rows), START),
        np.full(len(rows), DAY),
        seen["at"].to_numpy().astype(np.int64),
        seen["disease"].to_numpy().astype(np.int64),
        seen["day"].to_numpy().astype(np.int64),
    )


@pytest.fixture(scope="module")
def in_window(world: World, records: Records) -> np.ndarray:
    window = np.full(len(records.day), WINDOW)
    return forecast_from_records(world, records, window, SETTINGS, EXACT)


def matrix(block: Block, rows: np.ndarray, days: pl.Expr) -> np.ndarray:
    happened = block.diagnoses.filter(days)
    made = np.zeros((len(block.people), 301), dtype=bool)
    person = happened["person"].to_numpy() - block.people["person"][0]
    made[person, happened["disease"].to_numpy()] = True
    return made[rows]


def known_in(records: Records) -> np.ndarray:
    known = np.zeros((len(records.day), 301), dtype=bool)
    known[records.row, records.disease] = True
    return known


def test_forecasts_of_a_window_lie_between_the_oracle_and_the_past(
    world: World, block: Block, rows: np.ndarray, records: Records, in_window: np.ndarray
) -> None:
    """They are calibrated like the oracle, for diseases with a record and without one."""
    day = np.full(len(rows), DAY)
    window = np.full(len(rows), WINDOW)
    label = matrix(block, rows, pl.col("day").is_between(DAY + 1, DAY + WINDOW))
    some = visit_probability(world, block, rows, day, window, SETTINGS, EXACT)[:, None]
    oracle = true_probabilities(world, block, rows, day, window, SETTINGS, EXACT) / some
    known = known_in(records)
    assert in_window.dtype == np.float32
    assert in_window.min() >= 0
    assert in_window.max() <= 1
    for group in (known, ~known):
        assert in_window[group].sum() == pytest.approx(oracle[group].sum(), rel=0.1)
        levels = np.digitize(in_window[group], [0.01, 0.05, 0.2, 0.5])
        for level in np.unique(levels):
            expected = in_window[group][levels == level]
            spread = np.sqrt((expected * (1 - expected)).sum())
            observed = label[group][levels == level].sum()
            assert abs(observed - expected.sum()) < 4 * spread + 0.05 * expected.sum()
    past = known * 1.0
    of_past, of_records, of_oracle = (
        np.nanmean(sample_average_precision(scores, label)) for scores in (past, in_window, oracle)
    )
    assert of_past + 0.05 < of_records < of_oracle


def test_forecasts_of_the_next_visit_lie_between_the_oracle_and_the_past(
    world: World, block: Block, rows: np.ndarray, records: Records
) -> None:
    later = block.diagnoses.filter(pl.col("day") > DAY)
    first = later.filter(pl.col("day") == pl.col("day").min().over("person"))
    label = matrix(replace(block, diagnoses=first), rows, pl.lit(True))
    scores = forecast_from_records(world, records, None, SETTINGS, EXACT)
    day = np.full(len(rows), DAY)
    oracle = next_visit_probabilities(world, block, rows, day, SETTINGS, EXACT)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert scores.sum() == pytest.approx(oracle.sum(), rel=0.1)
    of_past, of_records, of_oracle = (
        np.nanmean(sample_average_precision(one, label))
        for one in (known_in(records) * 1.0, scores, oracle)
    )
    assert of_past + 0.03 < of_records < of_oracle


def test_a_forecast_does_not_depend_on_other_patients(
    world: World, records: Records, in_window: np.ndarray
) -> None:
    part = records.part(20, 40)
    alone = forecast_from_records(world, part, np.full(20, WINDOW), SETTINGS, EXACT)
    np.testing.assert_allclose(alone, in_window[20:40], rtol=1e-5, atol=1e-6)
    chronic = np.unique(records.row[world.parameters.chronic[records.disease]])
    place = int(np.setdiff1d(np.arange(len(records.day)), chronic)[0])
    without = records.part(place, place + 1)
    one = forecast_from_records(world, without, np.full(1, WINDOW), SETTINGS, EXACT)
    np.testing.assert_allclose(one, in_window[place : place + 1], rtol=1e-5, atol=1e-6)
    following = forecast_from_records(world, without, None, SETTINGS, EXACT)
    assert following.sum() > 0.8
    none = forecast_from_records(world, records.part(0, 0), np.zeros(0), SETTINGS, EXACT)
    assert none.shape == (0, 301)


def test_only_records_up_to_the_day_are_read(world: World, tmp_path: Path) -> None:
    """An echo of another disease's code is dropped."""
    maps = np.eye(301)
    maps[3, 4] = 0.3
    sequences = pl.DataFrame(
        {
            "subject_id": [5, 9],
            "sex": [2, 1],
            "practice": [20_007, 20_011],
            "birth_month": [1950 * 12, 1960 * 12 + 5],
            "follow_up_start": [11_000, 11_500],
            "visit_day": [[11_100, 11_200, 11_300], [12_000]],
            "code": [[3, 4, 7, 4, 9], [4]],
            "visit": [[0, 0, 0, 1, 2], [0]],
        }
    )
    path = tmp_path / "00.parquet"
    sequences.write_parquet(path)
    asked = pl.DataFrame({"subject_id": [9, 5], "day": [12_000, 11_200]})
    found = read_records([path], asked, world, Coding(maps, maps))
    assert found.row.tolist() == [0, 1, 1, 1, 1]
    assert found.disease.tolist() == [4, 3, 4, 4, 7]
    assert found.practice.tolist() == [11, 7]
    assert found.female.tolist() == [False, True]
    assert found.start.tolist() == [11_500, 11_000]
    # The middle of 1950, as January stands for an unknown month, and of June 1960.
    expected = [day_number("1960-06-15"), day_number("1950-07-02")]
    np.testing.assert_allclose(found.birth, expected, atol=3)
    echo = pl.DataFrame({"subject_id": [5], "day": [11_100]})
    only = read_records([path], echo, world, Coding(maps, maps))
    assert only.disease.tolist() == [3, 7]
