"""The profiles of clusters that no test machine has, with stand-ins for their commands."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from behrt.resources import LONGEST

from .conftest import REPOSITORY, TINY, Copy

pytestmark = pytest.mark.workflow

PROFILES = REPOSITORY / "workflow" / "profiles"

# Grid Engine, with which a job that is killed at a limit leaves nothing but its record.
STAND_INS = {
    "qsub": """
        number=$(($(ls "$here" | grep -c script) + 1))
        for script; do :; done
        cp "$script" "$here/$number.script"
        echo "$@" >> "$here/calls"
        if [ $number = 1 ]; then
          echo 137 > "$here/$number.status"
        else
          (sh "$script" > "$here/$number.log" 2>&1; echo $? > "$here/$number.status") \\
            > /dev/null 2>&1 &
        fi
        echo $number
    """,
    "qstat": """
        [ ! -f "$here/no_master" ] || { echo "error: unable to send message" >&2; exit 1; }
        [ ! -f "$here/$2.status" ] || { echo "Following jobs do not exist:" >&2; exit 1; }
        cat "$here/$2.reason" 2> /dev/null || true
    """,
    "qacct": 'echo "failed       0"; echo "exit_status  $(cat "$here/$2.status")"',
}


@pytest.fixture
def grid_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins on the path; return the folder with the calls of qsub."""
    commands, here = tmp_path / "commands", tmp_path / "grid_engine"
    commands.mkdir()
    here.mkdir()
    for name, text in STAND_INS.items():
        path = commands / name
        path.write_text(f"#!/bin/sh\nhere='{here}'\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    return here


def test_a_job_that_grid_engine_kills_comes_back_with_more(
    grid_engine: Path, editable: Copy, tiny: Copy
) -> None:
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    examples = editable.results / "tasks" / "T2.parquet"
    examples.unlink()
    editable.snakemake(
        *("results/test/tasks/T2.parquet", "--workflow-profile", "sge"),
        *("--seconds-between-status-checks", "1", *TINY),
    )
    assert examples.read_bytes() == (tiny.results / "tasks" / "T2.parquet").read_bytes()
    calls = [line.split() for line in (grid_engine / "calls").read_text().splitlines()]
    limits = [dict(word.split("=") for word in call if "=" in word) for call in calls]
    assert [set(of_call) for of_call in limits] == [{"h_rt", "h_vmem"}] * 2
    first, second = (int(of_call["h_vmem"].rstrip("M")) for of_call in limits)
    assert 1000 <= first < 1100
    assert second == pytest.approx(2 * first, abs=1)
    assert [int(of_call["h_rt"]) for of_call in limits] == [15 * 60, 30 * 60]
    assert [word for call in calls for word in call if word in ("-pe", "gpu")] == []


def test_grid_engine_receives_slots_memory_per_slot_and_gpus(
    grid_engine: Path, tmp_path: Path
) -> None:
    script = tmp_path / "job.sh"
    script.write_text("true\n")
    command = [PROFILES / "sge" / "submit.sh", "4", "8001", str(LONGEST), "1", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    call = (grid_engine / "calls").read_text()
    for expected in (f"-l h_rt={LONGEST * 60} ", "-l h_vmem=2001M ", "-pe smp 4 ", "-l gpu=1 "):
        assert expected in call
    assert call.endswith(f" {script}\n")


def test_the_state_of_a_job_of_grid_engine(grid_engine: Path) -> None:
    def state() -> str:
        command = [PROFILES / "sge" / "status.sh", "1"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert state() == "running"
    (grid_engine / "1.reason").write_text("error reason    1: can't chdir\n")
    assert state() == "failed"
    (grid_engine / "1.status").write_text("0\n")
    assert state() == "success"
    (grid_engine / "1.status").write_text("137\n")
    assert state() == "failed"
    (grid_engine / "no_master").touch()
    assert state() == "running"


def test_the_profiles_of_clusters_agree() -> None:
    profiles = {
        name: yaml.safe_load((PROFILES / name / "profile.yaml").read_text())
        for name in ("slurm", "sge", "lsf")
    }
    common = {key: value for key, value in profiles["slurm"].items() if key not in ("executor",)}
    for name, profile in profiles.items():
        own = {key for key in profile if key not in common}
        assert {key: value for key, value in profile.items() if key in common} == common, name
        assert all(key.startswith(("executor", "cluster-generic", "default-")) for key in own)
    assert [profile["executor"] for profile in profiles.values()] == [
        "slurm",
        "cluster-generic",
        "lsf",
    ]
