"""Runs that are killed, and deliveries that are damaged."""

import os
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
import torch

from .conftest import MINE, Copy

pytestmark = pytest.mark.workflow

LONGER = "pretrain:\n  training: {epochs: 12, patience: 12}\n"


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, f"the run ended without {path.name}"
        time.sleep(0.02)
    pytest.fail(f"no {path.name}")


def test_a_killed_run_resumes_and_ends_with_the_same_bytes(editable: Copy, tmp_path: Path) -> None:
    (editable.folder / "config" / "longer.yaml").write_text(LONGER)
    arguments = ("--cores", "2", "--configfile", "config/test.yaml", "config/longer.yaml")
    target = "results/test/models/mlm/model.safetensors"
    whole = editable.copy(tmp_path / "whole")
    whole.snakemake(target, *arguments)

    process = subprocess.Popen(
        editable.command(target, *arguments),
        cwd=editable.folder,
        env=editable.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(editable.results / "models" / "mlm" / "checkpoint.pt", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (editable.results / "models" / "mlm" / "model.safetensors").exists()

    locked = editable.snakemake(target, *arguments, fails=True)
    assert "or one was killed. If none is running, unlock it" in locked.stdout
    assert "LockException" not in locked.stdout
    editable.snakemake(target, "--unlock", *arguments)
    editable.snakemake(target, *arguments)
    assert "from epoch" in (editable.results / "logs" / "pretrain" / "mlm.log").read_text()
    assert not (editable.results / "models" / "mlm" / "checkpoint.pt").exists()
    for name in ("model.safetensors", "config.json", "metrics.jsonl"):
        place = Path("models", "mlm", name)
        assert (editable.results / place).read_bytes() == (whole.results / place).read_bytes(), name


FLOW = "results/mine/tables/cohort_flow.csv"


def test_a_licensed_delivery_gives_the_same_cohort(tiny: Copy, licensed: Copy) -> None:
    licensed.snakemake(FLOW, "--cores", "2", *MINE)
    mine = (licensed.folder / FLOW).read_text().replace("cprd", "simulated")
    assert mine == (tiny.results / "tables" / "cohort_flow.csv").read_text()


def test_a_truncated_part_is_named_before_anything_runs(licensed: Copy) -> None:
    path = licensed.folder / "delivered" / "gold" / "simulated_Extract_Clinical_002.zip"
    path.write_bytes(path.read_bytes()[:-1000])
    done = licensed.snakemake(FLOW, "--cores", "2", *MINE, fails=True)
    assert (
        "simulated_Extract_Clinical_002.zip: it is damaged (File is not a zip file)" in done.stdout
    )
    assert "Copy the file again" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (licensed.folder / "results" / "mine" / "extracted").exists()


def test_a_missing_table_is_named_before_anything_runs(licensed: Copy) -> None:
    for path in (licensed.folder / "delivered" / "gold").glob("*_Consultation_*"):
        path.unlink()
    done = licensed.snakemake(FLOW, "--cores", "2", *MINE, fails=True)
    assert "no file for consultation" in done.stdout


def test_a_part_with_damaged_bytes_is_named(licensed: Copy) -> None:
    path = licensed.folder / "delivered" / "gold" / "simulated_Extract_Clinical_002.zip"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)
    done = licensed.snakemake(
        "results/mine/extracted/clinical/002.parquet", "--cores", "2", *MINE, fails=True
    )
    assert "simulated_Extract_Clinical_002" in done.stdout
    assert "results/mine/logs/extract/clinical/002.log" in done.stdout
    assert not (licensed.folder / "results/mine/extracted/clinical/002.parquet").exists()
    left = [path.name for path in (licensed.folder / "results" / "mine").rglob("*.partial")]
    assert left == []


def test_too_many_refused_rows_stop_the_run_without_showing_them(licensed: Copy) -> None:
    path = licensed.folder / "delivered" / "gold" / "simulated_Extract_Clinical_001.zip"
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.namelist()
        lines = archive.read(member).split(b"\r\n")
    patient = lines[1].split(b"\t")[0].decode()
    lines[1:-1:10] = [b"x" + line for line in lines[1:-1:10]]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, b"\r\n".join(lines))
    done = licensed.snakemake(
        "results/mine/extracted/clinical/001.parquet", "--cores", "2", *MINE, fails=True
    )
    assert "simulated_Extract_Clinical_001" in done.stdout
    assert "maximum_refused" in done.stdout
    assert patient not in done.stdout


def test_a_gpu_that_is_missing_is_reported_before_anything_runs(clean: Copy) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (clean.folder / "config" / "gpu.yaml").write_text("accelerator: gpu\n")
    arguments = ("--cores", "1", "--configfile", "config/test.yaml", "config/gpu.yaml")
    done = clean.snakemake("results/test/vocabulary.json", *arguments, fails=True)
    assert "config, accelerator: it is gpu, but torch finds no CUDA device" in done.stdout
    assert not (clean.results / "delivery").exists()
