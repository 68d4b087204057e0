"""The bridge between Snakemake and scripts: what is passed, and what an error may show."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from behrt import logs, stage
from behrt.errors import InputError
from behrt.learning.run import Compute
from behrt.settings.simulation import Flaws


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Undo what a stage does to its process."""
    mask, handler = os.umask(0o022), signal.getsignal(signal.SIGINT)
    yield
    os.umask(mask)
    signal.signal(signal.SIGINT, handler)


def rule(log: Path, **params: Any) -> Any:
    return SimpleNamespace(
        input={"source": "a.txt"},
        output={"parts": ["b", "c"]},
        params={"code": "0", **params},
        log=[str(log)],
        threads=3,
    )


def test_names_become_arguments(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def main(source: Path, parts: list[Path], seed: int, threads: int) -> None:
        seen.update(source=source, parts=parts, seed=seed, threads=threads)

    stage.run(main, rule(tmp_path / "log", seed=7))
    assert seen == {
        "source": Path("a.txt"),
        "parts": [Path("b"), Path("c")],
        "seed": 7,
        "threads": 3,
    }


def test_a_job_on_a_gpu_gets_how_it_computes(tmp_path: Path) -> None:
    seen: list[Compute] = []

    def main(source: Path, parts: list[Path], compute: Compute) -> None:
        seen.append(compute)

    for accelerator in ("gpu", "cpu"):
        job = rule(tmp_path / "log", compute={"seed": 1, "accelerator": accelerator})
        job.config = {"gpu": {"devices": 4, "nodes": 2}}
        stage.run(main, job)
    assert [compute.processes for compute in seen] == [8, 1]


@dataclass(frozen=True)
class Limits:
    threshold: int


@dataclass(frozen=True)
class Settings:
    name: str
    limits: Limits
    steps: tuple[Limits, ...] = ()
    other: Limits | None = None


def test_a_mapping_becomes_the_dataclass_that_the_annotation_names(tmp_path: Path) -> None:
    seen: list[object] = []

    def main(
        source: Path,
        parts: list[Path],
        whole: Settings,
        several: list[Limits],
        named: dict[str, Limits],
        plain: dict[str, int],
        flaws: Flaws,
    ) -> None:
        seen.extend([whole, several, named, plain, flaws])

    given = {"name": "a", "limits": {"threshold": 5}, "steps": [{"threshold": 1}], "other": None}
    params = {"whole": given, "several": [{"threshold": 2}], "named": {"x": {"threshold": 3}}}
    flaws = Flaws().model_dump(mode="json")
    stage.run(main, rule(tmp_path / "log", **params, plain={"threshold": 4}, flaws=flaws))
    assert seen == [
        Settings("a", Limits(5), (Limits(1),), None),
        [Limits(2)],
        {"x": Limits(3)},
        {"threshold": 4},
        Flaws(),
    ]


def test_an_unknown_key_of_a_dataclass_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(source: Path, parts: list[Path], limits: Limits) -> None:
        raise AssertionError("not reached")

    monkeypatch.setenv("BEHRT_SHOW_ERRORS", "1")
    with pytest.raises(TypeError, match="treshold"):
        stage.run(main, rule(tmp_path / "log", limits={"treshold": 5}))


def test_what_a_script_writes_is_its_users_alone(tmp_path: Path) -> None:
    def main(source: Path, parts: list[Path]) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").touch()

    stage.run(main, rule(tmp_path / "log"))
    for path in (tmp_path / "log", tmp_path / "folder", tmp_path / "folder" / "file"):
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_threads_that_change_a_result_are_those_of_the_params(tmp_path: Path) -> None:
    seen: list[int] = []

    def main(source: Path, parts: list[Path], threads: int) -> None:
        seen.append(threads)

    stage.run(main, rule(tmp_path / "log", threads=4))  # with --cores 3 the rule has three
    assert seen == [4]


def test_bad_input_is_told_in_one_sentence(tmp_path: Path) -> None:
    def main(source: Path, parts: list[Path]) -> None:
        raise InputError(source, "it is empty", "Deliver it again")

    with pytest.raises(SystemExit):
        stage.run(main, rule(tmp_path / "log"))
    assert (tmp_path / "log").read_text().endswith("a.txt: it is empty. Deliver it again.\n")


def test_a_log_line_commands_no_terminal(tmp_path: Path) -> None:
    def main(source: Path, parts: list[Path]) -> None:
        logs.logger.info("read %s", "a\x1b[2J\x07.txt")

    stage.run(main, rule(tmp_path / "log"))
    assert (tmp_path / "log").read_text().endswith("read a [2J .txt\n")


def test_the_text_of_an_unforeseen_error_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "12345" * 2

    def main(source: Path, parts: list[Path]) -> None:
        raise ValueError(f"could not parse {patient}")

    monkeypatch.delenv("BEHRT_SHOW_ERRORS", raising=False)
    with pytest.raises(SystemExit):
        stage.run(main, rule(tmp_path / "log"))
    log = (tmp_path / "log").read_text()
    assert patient not in log
    assert "ValueError" in log
    assert "test_stage.py" in log
    monkeypatch.setenv("BEHRT_SHOW_ERRORS", "1")
    with pytest.raises(ValueError, match=patient):
        stage.run(main, rule(tmp_path / "log"))


STOPPED = """
import sys
import time
from types import SimpleNamespace

import polars as pl

from behrt import stage


def main() -> None:
    print("begun", flush=True)
    while True:
        pl.LazyFrame({"a": range(10_000)}).sort("a", descending=True).collect()


stage.run(main, SimpleNamespace(input={}, output={}, params={}, log=[]))
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_a_stopped_script_prints_nothing(signals: int) -> None:
    for _ in range(3):  # where the signal arrives is a matter of chance
        script = subprocess.Popen(
            [sys.executable, "-c", STOPPED],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert script.stdout is not None
        assert script.stdout.readline() == "begun\n"
        for _ in range(signals):
            script.send_signal(signal.SIGINT)
        output, _ = script.communicate(timeout=60)
        assert (output, script.returncode) == ("", stage.INTERRUPTED)
