"""What a job requests depends on the rows of patients that it reads."""

from pathlib import Path

import pytest

from behrt.resources import (
    LONGEST,
    PROGRAM_MB,
    input_mb,
    memory,
    minutes,
    training_mb,
    training_minutes,
)

MIB = 2**20


def write(path: Path, mib: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(mib * MIB)
    return str(path)


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, str]:
    run = tmp_path / "results" / "mine"
    return {
        "sequences": write(run / "sequences" / "00.parquet", 3),
        "predictions": write(run / "ablation" / "age" / "predictions" / "T1" / "x.parquet", 4),
        "delivered": write(tmp_path / "tables" / "Extract_Clinical_001.txt", 5),
        "weights": write(run / "models" / "mlm" / "model.safetensors", 100),
        "table": write(run / "tables" / "metrics.csv", 100),
        "folder": str(run / "sequences"),
    }


def test_rows_of_patients_count(inputs: dict[str, str], tmp_path: Path) -> None:
    run = str(tmp_path / "results" / "mine")
    assert input_mb(run, inputs.values()) == 3 + 4 + 5
    assert input_mb(run, []) == 0
    assert input_mb(run, [f"{run}/sequences/01.parquet", *inputs.values()]) is None


def test_a_request_grows_with_the_input_and_the_attempt(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    run, read = str(tmp_path / "results" / "mine"), [inputs["sequences"], inputs["delivered"]]
    for attempt in (1, 2, 3):
        assert memory(run, 1000, per_mb=20)(None, read, attempt) == attempt * (1000 + 20 * 8)
        assert memory(run, 1000, per_mb=20, jobs=4)(None, read, attempt) == attempt * (1000 + 40)
        assert minutes(run, 15, per_mb=0.5)(None, read, attempt) == attempt * (15 + 4)
        assert memory(run, lambda wildcards: wildcards)(100, read, attempt) == attempt * 100
    assert minutes(run, 60, per_mb=lambda wildcards: wildcards)(2, read, 1) == 60 + 2 * 8
    assert minutes(run, LONGEST)(None, [], 2) == LONGEST
    missing = [*read, f"{run}/tasks/T1.parquet"]
    assert memory(run, 1000, per_mb=20)(None, missing, 1) == 1000


def test_a_training_needs_memory_for_a_batch() -> None:
    shape = {"hidden": 100, "layers": 2, "heads": 4, "intermediate": 200, "max_length": 64}
    small, large = ({"batch_size": size} for size in (32, 64))
    assert training_mb({}, large) == training_mb(shape, None) == PROGRAM_MB
    once, twice = training_mb(shape, small) - PROGRAM_MB, training_mb(shape, large) - PROGRAM_MB
    assert twice == 2 * once
    # 64 patients, 64 words, 2 layers, and of each word 5,624 numbers of 4 bytes
    assert twice == 64 * 64 * 2 * (3000 + 1600 + 1024) * 4 / MIB


def test_a_training_needs_time_for_its_epochs_and_its_layers() -> None:
    shape = {"hidden": 288, "layers": 4, "intermediate": 576}
    once, twice = (training_minutes(shape, {"epochs": epochs}) for epochs in (5, 10))
    assert twice == 2 * once == 2 * training_minutes({**shape, "layers": 2}, {"epochs": 10})
    assert twice > training_minutes({}, {"epochs": 10}) == training_minutes({}, None)
