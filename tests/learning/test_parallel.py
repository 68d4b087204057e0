"""Two processes train as one does, at the same number of patients per step."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from behrt.learning import parallel
from behrt.learning.run import Compute

COMPUTE = Compute(1, precision="32-true", devices=2)


def pretrain(folder: Path) -> None:
    """Pretrain on 55 patients, 9 at a time: the last batch has fewer patients than processes."""
    from behrt.learning.examples import Examples
    from behrt.learning.run import Optimisation, TrainingRun
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

    sizes = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 16, "max_length": 40}
    behrt.pretrain(
        examples(55, 1),
        examples(300, 2),  # two chunks of the evaluation
        Settings(**sizes, hidden_dropout=0.0, attention_dropout=0.0),
        Masking(),
        Optimisation(epochs=3, batch_size=9, learning_rate=1e-2),
        TrainingRun(folder, COMPUTE),
    )


def test_two_processes_give_the_curve_and_the_weights_of_one(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    pretrain(tmp_path / "one")
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path / "two")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "trained\n"  # by the process that started the others
    one, two = tmp_path / "one", tmp_path / "two"
    assert sorted(path.name for path in two.iterdir()) == sorted(
        path.name for path in one.iterdir()
    )
    curves = [
        [
            {name: value or 0.0 for name, value in json.loads(line).items()}
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in (one, two)
    ]
    assert len({line["train_loss"] for line in curves[0]}) == 3
    for expected, found in zip(*curves, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    weights = load_file(two / "model.safetensors")
    for name, expected in load_file(one / "model.safetensors").items():
        np.testing.assert_allclose(weights[name], expected, rtol=1e-2, atol=1e-4)


def test_a_failed_process_fails_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(parallel, "command", lambda compute: failing)
    with pytest.raises(SystemExit) as ended:
        parallel.trained_by_parts(COMPUTE)
    assert ended.value.code == 3


def test_a_job_that_is_stopped_stops_the_processes(tmp_path: Path) -> None:
    child = (
        f"import os, pathlib, time; path = pathlib.Path({str(tmp_path / 'pid')!r}); "
        "path.write_text(str(os.getpid())); time.sleep(99)"
    )
    job = (
        "import sys; from behrt.learning import parallel; from behrt.learning.run import Compute; "
        f"parallel.command = lambda compute: [sys.executable, '-c', {child!r}]; "
        "parallel.trained_by_parts(Compute(1, devices=2))"
    )
    running = subprocess.Popen([sys.executable, "-c", job])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert running.poll() is None
        time.sleep(0.02)
    running.terminate()
    assert running.wait(timeout=60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_processes_themselves_start_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEHRT_PART", "1")
    assert not parallel.trained_by_parts(COMPUTE)
    monkeypatch.delenv("BEHRT_PART")
    assert not parallel.trained_by_parts(Compute(1))


def test_several_nodes_meet_at_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(parallel.socket, "gethostname", lambda: "node7")
    found = parallel.command(Compute(1, accelerator="gpu", devices=4, nodes=2))
    assert found[:2] == ["srun", "--overlap"]
    assert {"--nodes=2", "--ntasks-per-node=1"} <= set(found)
    assert {"--nnodes=2", "--nproc-per-node=4", "--rdzv-id=17"} <= set(found)
    assert "--rdzv-endpoint=node7:29528" in found


def main() -> None:
    if not parallel.trained_by_parts(COMPUTE):
        pretrain(Path(sys.argv[1]))
        parallel.leave()
    print("trained")


if __name__ == "__main__":
    main()
