"""The ceiling from files: the patients, the day, and the truth that are read."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import agreement, forecast, read_examples, read_truth
from behrt.simulation.coding import Coding
from behrt.simulation.days import day_number
from behrt.simulation.delivery import _onsets_with_recordings
from behrt.simulation.oracle import true_probabilities, visit_probability
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.world import World, make_world

SETTINGS = ProcessSettings()
DAY = day_number("2004-08-31")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(10, 3)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, 1, 600, 3, SETTINGS)


@pytest.fixture(scope="module")
def truth(block: Block, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Two parts each of people and onsets; a patient's id is 7 more than 100 times the person."""
    folder = tmp_path_factory.mktemp("truth")
    people = block.people.with_columns(patid=pl.col("person") * 100 + 7)
    onsets = _onsets_with_recordings(block)
    files: tuple[list[Path], list[Path]] = ([], [])
    for part, inside in enumerate((pl.col("person") <= 300, pl.col("person") > 300)):
        for name, frame, paths in zip(("p", "o"), (people, onsets), files, strict=True):
            paths.append(folder / f"{name}{part}.parquet")
            frame.filter(inside).write_parquet(paths[-1])
    return files


def write_task(folder: Path, persons: list[int], labels: list[list[int]]) -> tuple[Path, Path]:
    subject_id = [person * 100 + 7 for person in persons]
    lists = {"label": pl.List(pl.Int16), "visit_day": pl.List(pl.Int32)}
    task = pl.DataFrame(
        {
            "subject_id": subject_id,
            "split": ["train", *["held_out"] * (len(persons) - 1)],
            "input_visits": [2] * len(persons),
            "label": labels,
        },
        schema_overrides=lists,
    )
    sequences = pl.DataFrame(
        {"subject_id": subject_id, "visit_day": [[DAY - 50, DAY, DAY + 9]] * len(persons)},
        schema_overrides=lists,
    )
    task.write_parquet(folder / "T2.parquet")
    sequences.reverse().write_parquet(folder / "00.parquet")
    return folder / "T2.parquet", folder / "00.parquet"


def test_examples_are_held_out_patients_with_a_label(tmp_path: Path) -> None:
    task, sequences = write_task(tmp_path, [1, 9, 5, 7], [[1], [2, 3], [], [4]])
    examples = read_examples([sequences], task, 6)
    assert examples["subject_id"].to_list() == [707, 907]
    assert examples["day"].to_list() == [DAY, DAY]
    # 31 August and six months: 28 February 2005.
    assert examples["window"].to_list() == [181, 181]
    assert read_examples([sequences], task, None)["window"].null_count() == 2


def test_the_truth_from_files_gives_the_same_forecast_as_the_block(
    world: World, block: Block, truth: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    persons = [400, 599, 12, 301, 77]
    task, sequences = write_task(tmp_path, persons, [[1]] * 5)
    examples = read_examples([sequences], task, 6)
    exact = Coding.exact(len(world.diseases))
    read = read_truth(*truth, examples["subject_id"])
    scored = forecast(world, read, examples, 6, SETTINGS, exact)
    rows = np.array(sorted(persons[1:])) - 1
    direct = true_probabilities(world, block, rows, np.full(4, DAY), 181, SETTINGS)
    some = visit_probability(world, block, rows, np.full(4, DAY), 181, SETTINGS, exact)
    assert scored == pytest.approx(direct / some[:, None], rel=1e-5)
    following = forecast(world, read, examples, None, SETTINGS, exact)
    assert following.shape == scored.shape
    assert not np.array_equal(following, scored)
    assert agreement(np.full((2, 4), 0.5, np.float32), pl.Series([[1], [2, 3]])) == 0.75


def test_a_patient_who_was_not_simulated_is_refused(
    truth: tuple[list[Path], list[Path]],
) -> None:
    with pytest.raises(InputError, match="was not simulated") as refused:
        read_truth(*truth, pl.Series([107, 60107]))
    assert "60107" not in str(refused.value)
