"""The page of time, memory and disk, and the extrapolation to the paper's size."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from behrt.machine import Machine, this_machine
from behrt.page.performance import (
    OTHER,
    PAPER_PATIENTS,
    Stage,
    amount,
    busy_seconds,
    by_stage,
    duration,
    measure,
    performance_page,
)
from behrt.paper_size import relative_work

STAGES = [
    Stage("extract", [r"extracted/(?P<part>[0-9]+)\.parquet", r"benchmarks/extract/.+"]),
    Stage(
        "pretrain", [r"models/(?P<pretraining>mlm)/model\.safetensors", "benchmarks/pretrain/.+"]
    ),
    Stage("trained", ["trained/(?P<task>T1|T2)"]),
    Stage("paper", ["nothing"]),
]


GROWTH = {"pretrain": {"mlm": 4.0}, "extract": {"002": 1.0}, "joint": {"mlm": 9.0}}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three jobs: two side by side from 100 s to 104 s and to 103 s, one until 120 s."""
    for name, seconds, cpu, end in (
        ("extract/001", 4.0, 3.0, 104),
        ("extract/002", 2.0, 1.0, 103),
        ("pretrain/mlm", 10.0, 9.0, 120),
    ):
        path = tmp_path / "benchmarks" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {"s": seconds, "cpu_time": cpu, "max_rss": 100 * seconds, "io_in": 0, "io_out": 0}
        path.write_text(json.dumps(line))
        os.utime(path, (end, end))
    for name, size in (
        ("extracted/001.parquet", 3_000_000),
        ("extracted/002.parquet", 2_000_000),
        ("models/mlm/model.safetensors", 500_000),
        ("trained/T1/bert/config.json", 1000),
        ("old.parquet", 2000),
        ("logs/cohort.log", 7000),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    return tmp_path


def test_jobs_and_files_count_in_their_stages(run: Path) -> None:
    jobs, disk = measure(run, STAGES)
    assert disk == {"extract": 5_000_000, "pretrain": 500_000, "trained": 1000, OTHER: 2000}
    assert by_stage(jobs, disk, STAGES, GROWTH).rows() == [
        ("extract", 5.0, 2, 6.0, 4.0, 4.0, 400.0, 6.0),
        ("pretrain", 0.5, 1, 10.0, 9.0, 10.0, 1000.0, 40.0),
        ("trained", 0.001, 0, 0.0, 0.0, None, None, 0.0),
        (OTHER, 0.002, 0, 0.0, 0.0, None, None, 0.0),
    ]


def test_time_in_which_several_jobs_ran_counts_once(run: Path) -> None:
    jobs, _ = measure(run, STAGES)
    assert busy_seconds(jobs) == pytest.approx(14)
    assert busy_seconds(jobs.clear()) == 0


def test_the_page_shows_what_the_paper_would_take(run: Path) -> None:
    jobs, disk = measure(run, STAGES)
    machine = Machine("A & B", 2, 15.6, "Linux x86_64")
    page = performance_page("mine", jobs, disk, STAGES, GROWTH, 1_600, machine)
    assert "A &amp; B, 2 cores, 16 GiB of memory" in page
    assert "At least one job ran for 14 s" in page
    assert "1,000 times the 1,600 of this run" in page
    assert "its jobs would take 4 h" in page  # 16 s, a thousand times
    assert "config/paper.yaml 13 h" in page  # 46 s
    assert "mlm ×4.0" in page
    hidden = performance_page("mine", jobs, disk, STAGES, GROWTH, None, machine)
    assert "The number of patients of this run is hidden" in hidden
    assert "1,600" not in hidden


def configuration(**training: Any) -> dict[str, Any]:
    own = {"kind": "behrt", "settings": {}, "training": {"epochs": 2}}
    return {
        "evaluation": {"reference": "behrt"},
        "pretrain": {
            "settings": {"hidden": 4, "layers": 1, "intermediate": 8},
            "training": {"epochs": 10, **training},
        },
        "models": {
            "behrt": own,
            "deepr": {"kind": "deepr", "settings": {}, "training": {"epochs": 5}},
            "history": {"kind": "history", "settings": {}},
            "retain": None,
        },
    }


def test_a_training_grows_with_its_epochs_and_its_multiplications() -> None:
    """128 multiplications per word (4 * 16 + 2 * 32) become 2 * (4 * 64 + 2 * 64) = 768."""
    paper = {
        "pretrain": {"settings": {"hidden": 8, "layers": 2}, "training": {"epochs": 20}},
        "models": {"deepr": {"training": {"epochs": 50}}, "retain": {"settings": {}}},
    }
    assert relative_work(configuration(), paper, "T1") == {
        "pretrain": {"mlm": 12.0, "pretrained_forecast": 12.0},
        "joint": {"behrt": 6.0, "deepr": 10.0},
        "finetune": {"behrt": 6.0, "deepr": 10.0},
    }
    unchanged = relative_work(configuration(), {}, "T1").values()
    assert {factor for factors in unchanged for factor in factors.values()} == {1.0}


def test_times_and_amounts_have_a_unit_that_can_be_read() -> None:
    assert [duration(600), duration(14_400)] == ["10 min", "4 h"]
    assert [amount(9.94), amount(999.6)] == ["9.9 MB", "1000 MB"]
    assert PAPER_PATIENTS == 1_600_000


def test_this_machine_is_described() -> None:
    machine = this_machine()
    assert machine.processor
    assert machine.cores >= 1
    assert machine.memory is None or machine.memory > 0.1
