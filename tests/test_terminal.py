"""What a run shows on the terminal: its lines, its expected time, and errors as sentences."""

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.exceptions import format_exception_to_string
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_behrt as terminal
from behrt import logs
from behrt.errors import InputError
from snakemake_logger_plugin_behrt.expected import Expected
from snakemake_logger_plugin_behrt.lines import LiveLines
from snakemake_logger_plugin_behrt.sentences import sentence


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (logs.QUIET, "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # restored afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    yield
    logs.start(None)


def handler(**settings: Any) -> tuple[terminal.LogHandler, io.StringIO]:
    made = terminal.LogHandler(OutputSettings(**settings), None)
    made.setFormatter(logging.Formatter("%(message)s"))
    made.stream = io.StringIO()
    made.live = LiveLines(made.stream)
    return made, made.stream


def record(text: str | None = None, level: int = logging.INFO, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update(extra)
    return made


def job(number: int, name: str, log: Path | None = None) -> logging.LogRecord:
    return record(
        event=LogEvent.JOB_INFO,
        jobid=number,
        rule_msg=name,
        rule_name=name.split()[0].lower(),
        log=[str(log)] if log else [],
    )


def finished(number: int) -> logging.LogRecord:
    return record(f"Finished jobid: {number}", event=LogEvent.JOB_FINISHED, job_id=number)


def test_a_run_shows_a_line_per_finished_job_and_what_its_log_warns_of(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("10:00:00 INFO read\n10:00:01 WARNING two\nlines\n10:00:02 INFO written\n")
    made, stream = handler()
    for each in [
        record("Host: here", event=LogEvent.WORKFLOW_STARTED),
        record("Building DAG of jobs..."),
        record("Job stats", event=LogEvent.RUN_INFO, stats={"extract": 1, "split": 1, "total": 2}),
        job(1, "Extract it", log),
        record("Job 2 has been submitted with SLURM jobid 5"),
        job(2, "Split it"),
        record("python x.py", event=LogEvent.SHELLCMD),
        finished(1),
        finished(2),
        record("1 of 2 steps (50%) done", event=LogEvent.PROGRESS, done=1, total=2),
        record("A warning", logging.WARNING),
    ]:
        made.emit(each)
    assert stream.getvalue().splitlines() == [
        "2 jobs to run.",
        "Job 2 has been submitted with SLURM jobid 5",
        "[ 50 %] Extract it (0 s)",
        "two",
        "lines",
        "[100 %] Split it (0 s)",
        "A warning",
    ]


def test_with_quiet_the_notices_and_errors_of_jobs_remain(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("10:00:00 NOTICE Ready\n")
    made, stream = handler(quiet={"rules", "progress"})
    made.emit(job(1, "Extract it", log))
    made.close()  # with --quiet progress, Snakemake does not log the end of a job
    assert stream.getvalue() == "Ready\n"


def test_a_dry_run_lists_jobs_without_reasons() -> None:
    made, stream = handler(dryrun=True)
    stats = record("Job stats:\nsplit 1", event=LogEvent.RUN_INFO, stats={"split": 1, "total": 1})
    for each in (stats, job(1, "Split it"), stats, record("Reasons:\n    (long)")):
        made.emit(each)
    assert stream.getvalue() == "Job stats:\nsplit 1\nSplit it\n"


def test_percentages_follow_the_expected_time() -> None:
    expected = Expected({"pretrain": 1, "split": 9})  # 260 and 9 x 2 seconds
    assert expected.percent() == 0
    for _ in range(9):
        expected.finish("split", 2.0)
    assert expected.percent() == int(100 * 18 / 278)
    expected = Expected({"finetune": 4})
    expected.finish("finetune", 300.0)  # the first tells how long the others take
    assert expected.percent() == 25
    for _ in range(3):
        expected.finish("finetune", 10.0)
    assert expected.percent() == 100


def test_a_job_s_progress_is_text_beside_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(logs.QUIET, "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    log = tmp_path / "logs" / "a.log"
    logs.start(log)
    with logs.progress(total=8, label="train", unit="epochs") as bar:
        bar.update(4)
        bar.refresh()
        assert logs.progress_of(log).startswith(": train 50 % of 8.00 epochs, ")
        with logs.above_bars():
            logs.logger.info("half")
    assert logs.progress_of(log) == ""
    assert [path.name for path in log.parent.iterdir()] == ["a.log"]
    assert log.read_text().endswith(" INFO half\n")


def said(error: BaseException, *words: str) -> str:
    text = format_exception_to_string(error)
    return sentence(text, record(text, exception=type(error).__name__), words)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            InputError("config, run", "it is missing", "Add it"),
            "config, run: it is missing. Add it.",
        ),
        (
            PermissionError(13, "Permission denied", "results"),
            "results: you have no permission to write it. Run as its owner, or in another folder.",
        ),
        (
            OSError(30, "Read-only file system", "results/demo"),
            "results/demo: its disk is read-only. Run in a folder that can be written, with -d.",
        ),
        (
            FileExistsError(17, "File exists", "results"),
            "results: it is a file where a folder is needed. Move or rename it.",
        ),
        (
            NotADirectoryError(20, "Not a directory", "results/demo"),
            "results/demo: it is a file where a folder is needed. Move or rename it.",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "all"),
            "all: there is no such configuration file. If it is a target, put it before "
            "--configfile, or put -- before it.",
        ),
        (
            ValueError(
                "Invalid config definition: Config entries have to be defined as name=value "
                "pairs. (Unparsable value: 'all')"
            ),
            "--config, all: it is not of the form key=value. If it is a target, put it before "
            "--config, or put -- before it.",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_one_sentence(error: BaseException, shown: str) -> None:
    assert said(error, "--configfile", "a.yaml", "all") == shown


@pytest.mark.parametrize("day", ["2000-02-31", "2010-13-01"])
def test_a_day_that_is_not_in_the_calendar_is_named(tmp_path: Path, day: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(f"run: a\ncohort: {{hes_start: 1999-01-01, study_start: {day}}}\n")
    with pytest.raises(ValueError, match="month") as caught:
        yaml.safe_load(file.read_text())
    assert said(caught.value, "--configfile", str(file)) == (
        f"{file}, line 2, study_start: there is no day {day}. Give a day of the calendar."
    )


def test_an_unknown_error_keeps_snakemake_s_text() -> None:
    assert "KeyError" in said(KeyError("x"))


def test_the_cache_goes_where_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    terminal.use_a_writable_cache()
    assert "XDG_CACHE_HOME" not in terminal.os.environ
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    terminal.use_a_writable_cache()
    assert terminal.os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake" / "cache")
