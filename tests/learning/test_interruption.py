"""A training that the system kills goes on to the bytes of one that was left alone."""

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from behrt.learning.examples import Examples
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.models import behrt
from behrt.settings.behrt import Masking, Settings


def examples(patients: int, seed: int) -> Examples:
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


def pretrain(folder: Path) -> None:
    behrt.pretrain(
        examples(300, 1),
        examples(40, 2),
        Settings(hidden=16, layers=1, heads=2, intermediate=16, max_length=40),
        Masking(),
        Optimisation(epochs=4, batch_size=5, learning_rate=1e-3),
        TrainingRun(folder, Compute(1), checkpoint_seconds=0.05),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_killed_training_ends_with_the_same_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(tmp_path / "whole")
    parts = tmp_path / "parts"
    process = subprocess.Popen([sys.executable, __file__, str(parts)])
    checkpoint = parts / "checkpoint.pt"
    first = None
    while process.poll() is None:  # until a checkpoint in the middle has replaced another
        written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        first = first or written
        if written not in (None, first):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the training ended before it could be killed"
    # What a workflow engine does to a failed job's outputs does not touch the checkpoint.
    for name in ("config.json", "model.safetensors", "metrics.jsonl"):
        (parts / name).unlink(missing_ok=True)
    monkeypatch.setattr(logging.getLogger("behrt"), "propagate", True)  # to caplog
    with caplog.at_level(logging.INFO, logger="behrt"):
        pretrain(parts)
    assert "resuming from epoch" in caplog.text
    assert contents(parts) == contents(tmp_path / "whole")


if __name__ == "__main__":
    pretrain(Path(sys.argv[1]))
