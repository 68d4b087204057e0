"""A training that the system kills goes on to the bytes of one that was left alone."""

import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path

import numpy as np

from behrt import logs
from behrt.learning.examples import Examples
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.models import behrt
from behrt.settings.behrt import Masking, Settings

logs.start(None)


def examples(patients, seed):
    generator = np.random.default_rng(seed)
    visits = np.concatenate([[0], generator.integers(2, 7, patients).cumsum()])
    codes = np.concatenate([[0], generator.integers(1, 4, visits[-1]).cumsum()])
    nothing = np.zeros(patients + 1, dtype=np.int64)
    return Examples(
        subject_id=np.arange(patients),
        sex=np.zeros(patients, dtype=np.int8),
        follow_up_start=np.zeros(patients, dtype=np.int32),
        visit_offsets=visits,
        visit_day=np.arange(visits[-1], dtype=np.int32),
        visit_age=generator.integers(0, 1200, visits[-1]).astype(np.int16),
        code_offsets=codes,
        codes=generator.integers(0, 30, codes[-1]).astype(np.int16),
        label_offsets=nothing,
        labels=np.empty(0, dtype=np.int16),
        known_offsets=nothing,
        known=np.empty(0, dtype=np.int16),
        n_diseases=30,
    )


behrt.pretrain(
    examples(300, 1),
    examples(40, 2),
    Settings(hidden=16, layers=1, heads=2, intermediate=16, max_length=40),
    Masking(),
    Optimisation(epochs=4, batch_size=5, learning_rate=1e-3),
    TrainingRun(Path(sys.argv[1]), Compute(1), checkpoint_seconds=0.05),
)
"""


def start(program: Path, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(program), str(folder)], stderr=subprocess.PIPE, text=True
    )


def finish(program: Path, folder: Path) -> str:
    process = start(program, folder)
    _, output = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_killed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    finish(program, tmp_path / "whole")
    parts = tmp_path / "parts"
    killed = 0
    for _ in range(2):
        process = start(program, parts)
        written = None
        while process.poll() is None:  # until a checkpoint has been written by this process
            checkpoint = parts / "checkpoint.pt"
            now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
            if written is not None and now not in (None, written):
                process.send_signal(signal.SIGKILL)
                break
            written = written or now or 0
            time.sleep(0.005)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed, "the training ended before it could be killed"
    # What a workflow engine does to a failed job's outputs does not touch the checkpoint.
    for name in ("config.json", "model.safetensors", "metrics.jsonl"):
        (parts / name).unlink(missing_ok=True)
    assert "resuming from epoch" in finish(program, parts)
    assert contents(parts) == contents(tmp_path / "whole")
