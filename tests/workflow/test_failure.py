"""Runs that are killed, and deliveries that are damaged."""

import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
import torch

from .conftest import MINE, TINY, Copy

pytestmark = pytest.mark.workflow


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, f"the run ended without {path.name}"
        time.sleep(0.02)
    pytest.fail(f"no {path.name}")


def test_a_killed_run_resumes_and_ends_with_the_same_bytes(tiny: Copy, editable: Copy) -> None:
    folder = editable.results / "models" / "mlm"
    shutil.rmtree(folder)
    arguments = ("results/test/models/mlm/model.safetensors", "--cores", "2", *TINY)
    process = subprocess.Popen(
        editable.command(*arguments),
        cwd=editable.folder,
        env=editable.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(folder / "checkpoint.pt", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "model.safetensors").exists()

    locked = editable.snakemake(*arguments, fails=True)
    assert "or one was killed. If none is running, unlock it" in locked.stdout
    assert "LockException" not in locked.stdout
    editable.snakemake("--unlock", *TINY)
    editable.snakemake(*arguments)
    assert "from epoch" in (editable.results / "logs" / "pretrain" / "mlm.log").read_text()
    assert not (folder / "checkpoint.pt").exists()
    for name in ("model.safetensors", "config.json", "metrics.jsonl"):
        assert (folder / name).read_bytes() == (tiny.results / "models/mlm" / name).read_bytes()


FLOW = "results/mine/tables/cohort_flow.csv"


def test_a_licensed_delivery_gives_the_same_cohort_and_is_watched(
    tiny: Copy, licensed: Copy
) -> None:
    targets = (FLOW, "results/mine/phenotypes/icd.parquet", "--config", "keep_text=False")
    licensed.snakemake(*targets, "--cores", "2", *MINE)
    mine = (licensed.folder / FLOW).read_text().replace("cprd", "simulated")
    assert mine == (tiny.results / "tables" / "cohort_flow.csv").read_text()
    again = licensed.snakemake(*targets, "--dry-run", "--cores", "1", *MINE)
    assert "Nothing to be done" in again.stdout
    # The rows are deleted after their last use, and the delivery is not.
    extracted = licensed.folder / "results" / "mine" / "extracted"
    assert list(extracted.rglob("*.json"))
    assert not list(extracted.rglob("*.parquet"))
    assert list((licensed.folder / "delivered").rglob("*.zip"))


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


def test_damaged_bytes_and_too_many_refused_rows_stop_the_run_without_showing_them(
    licensed: Copy,
) -> None:
    refused, damaged = (
        licensed.folder / "delivered" / "gold" / f"simulated_Extract_Clinical_{part}.zip"
        for part in ("001", "002")
    )
    content = bytearray(damaged.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    damaged.write_bytes(content)
    with zipfile.ZipFile(refused) as archive:
        (member,) = archive.namelist()
        lines = archive.read(member).split(b"\r\n")
    patient = lines[1].split(b"\t")[0].decode()
    lines[1:-1:10] = [b"x" + line for line in lines[1:-1:10]]
    with zipfile.ZipFile(refused, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, b"\r\n".join(lines))
    results = licensed.folder / "results" / "mine"
    extracted = [results / "extracted" / "clinical" / f"{part}.parquet" for part in ("001", "002")]
    targets = [path.relative_to(licensed.folder).as_posix() for path in extracted]
    with (licensed.folder / "config" / "mine.yaml").open("a") as mine:
        mine.write("extract: {megabytes_per_job: 0}\n")
    done = licensed.snakemake(*targets, "--keep-going", "--cores", "2", *MINE, fails=True)
    for path in (refused, damaged):
        assert path.stem in done.stdout
    assert "results/mine/logs/extract/clinical/002.log" in done.stdout
    assert "maximum_refused" in done.stdout
    assert patient not in done.stdout
    assert not any(path.exists() for path in extracted)
    assert list(results.rglob("*.partial")) == []


def test_a_gpu_that_is_missing_is_reported_before_anything_runs(clean: Copy) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (clean.folder / "config" / "gpu.yaml").write_text("accelerator: gpu\n")
    arguments = ("--cores", "1", "--configfile", "config/test.yaml", "config/gpu.yaml")
    done = clean.snakemake("results/test/vocabulary.json", *arguments, fails=True)
    assert "config, accelerator: it is gpu, but torch finds no CUDA device" in done.stdout
    assert not (clean.results / "delivery").exists()
