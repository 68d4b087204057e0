"""Kill one run at random moments, resume it, and compare its files with those of another run.

    python benchmarks/kills.py [--kills 50] [--seed 1] [--folder kills] [--rows FILE]

Two copies of the repository run the same configuration (config/test.yaml) in two folders. One is
not disturbed and runs on one core. The other runs on two; it is killed at random moments and
resumed by the same command, after `snakemake --unlock` if it is locked, until it is complete. Every
file of a run is compared, except those that `behrt.checksums.LEFT_OUT` names. It exits with 1 if a
file differs, is missing or is left over.

A moment is drawn uniformly from the time of the undisturbed run. It is a number of jobs that have
finished, and the seconds after that. The run is killed then, or when the next job has finished. A
fifth of the moments are while the run plans its jobs, before its first job. The signal goes to all
processes of the run, as from a terminal, a batch system or an out-of-memory killer. After SIGTERM
or SIGINT, the run has a minute to stop.

With --folder, the copies are kept, and a later call uses the undisturbed run again.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rows import Row, add_rows_option, write_rows

from behrt.checksums import checksums, differences

REPOSITORY = Path(__file__).parents[1]
SOURCES = ("config", "envs", "rules", "scripts", "src", "workflow")
SIGNALS = {"SIGKILL": 3, "SIGTERM": 1, "SIGINT": 1}
"""How often each signal is drawn."""
PLANNING = 0.2
"""The share of kills before the first job of a run."""
LONGEST_PLANNING = 10.0
LONGEST_STOP = 60.0
POLL = 0.05


@dataclass(frozen=True)
class Moment:
    """When to kill: after `seconds` that follow the end of `jobs` jobs, or while planning."""

    signal: str
    jobs: int | None  # None while planning
    seconds: float

    def __str__(self) -> str:
        place = "while planning" if self.jobs is None else f"after {self.jobs} jobs"
        return f"{self.signal} {place} and {self.seconds:.1f} s"


class Run:
    """A copy of the repository in which a configuration runs."""

    def __init__(self, folder: Path, given: argparse.Namespace, cores: int) -> None:
        self.folder = folder
        self.configured = ("--configfile", *given.configfile)
        self.arguments = (given.target, "--cores", str(cores), *self.configured)

    def prepare(self, source: Path) -> None:
        """Copy what a run needs from the repository, or from another run."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in SOURCES:
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source / name, self.folder / name, ignore=ignored)
        (self.folder / "tmp").mkdir()

    @property
    def results(self) -> Path:
        (found,) = (self.folder / "results").iterdir()
        return found

    def finished(self) -> int:
        """Return the number of jobs that have finished."""
        return sum(1 for _ in (self.folder / "results").glob("*/benchmarks/**/*.jsonl"))

    def logged(self) -> int:
        """Return the time at which a job last wrote to its log, in nanoseconds, or 0."""
        newest = 0
        for log in (self.folder / "results").glob("*/logs/**/*.log"):
            with suppress(FileNotFoundError):
                newest = max(newest, log.stat().st_mtime_ns)
        return newest

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.folder / "src"), "TMPDIR": str(self.folder / "tmp")}
        return {**os.environ, **own, "NO_COLOR": "1"}

    def start(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                self.command(*self.arguments),
                cwd=self.folder,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def call(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"snakemake {' '.join(arguments)} failed:\n{done.stdout[-4000:]}")
        return done.stdout

    def locked(self) -> bool:
        return any((self.folder / ".snakemake" / "locks").glob("*"))

    def unlock(self) -> None:
        self.call("--unlock", *self.configured)

    def fail(self, problem: str) -> None:
        sys.exit(
            f"{problem}: see {self.folder}\n{(self.folder / 'output.txt').read_text()[-4000:]}"
        )


def undisturbed(run: Run) -> list[float]:
    """Make the run, unless it is there; return when each of its jobs had finished, in seconds."""
    record = run.folder / "times.json"
    if record.exists():
        return json.loads(record.read_text())
    run.prepare(REPOSITORY)
    times: list[float] = []
    process, begun = run.start(), time.monotonic()
    while process.poll() is None:
        time.sleep(POLL)
        now = time.monotonic() - begun
        times += [now] * (run.finished() - len(times))
    if process.returncode:
        run.fail("the undisturbed run failed")
    record.write_text(json.dumps(times))
    return times


def moments(times: list[float], kills: int, seed: int) -> list[Moment]:
    """Draw the moments, in the order of the jobs that have finished."""
    draw = random.Random(seed)
    names, weights = [*SIGNALS], [*SIGNALS.values()]
    drawn = []
    for _ in range(kills):
        (name,) = draw.choices(names, weights)
        at = draw.uniform(0, times[-1])
        jobs = bisect_right(times, at)
        since = at - times[jobs - 1] if jobs else at
        planning = draw.random() < PLANNING
        seconds = draw.uniform(0, LONGEST_PLANNING)
        drawn.append((at, Moment(name, *((None, seconds) if planning else (jobs, since)))))
    return [moment for _, moment in sorted(drawn, key=lambda pair: pair[0])]


def wait(run: Run, process: "subprocess.Popen[bytes]", moment: Moment, total: int) -> None:
    """Return when the moment has come, or the run has ended.

    At the last of `total` jobs, the moment comes at once, so that every kill takes place.
    """
    jobs, logged = max(moment.jobs or 0, run.finished()), run.logged()
    due = time.monotonic() + moment.seconds if moment.jobs is None else None
    while process.poll() is None and (due is None or time.monotonic() < due):
        time.sleep(POLL)
        finished = run.finished()
        if moment.jobs is not None and finished > jobs:
            return
        begun = run.logged() > logged
        if begun and finished >= total - 1:
            return
        if begun and finished == jobs and due is None:
            due = time.monotonic() + moment.seconds


def alive(run: Run) -> list[str]:
    """Return the processes that still work in the folder of a run (only on Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(run.folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def stop(run: Run, process: "subprocess.Popen[bytes]", name: str) -> bool:
    """Send the signal to all processes of a run; return whether the run then stopped by itself."""
    os.killpg(process.pid, signal.Signals[name])
    try:
        process.wait(LONGEST_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    with suppress(ProcessLookupError):  # those that outlived the run
        os.killpg(process.pid, signal.SIGKILL)
    return True


def disturb(run: Run, plan: list[Moment], total: int) -> Counter[str]:
    """Kill and resume the run at each moment, then let it end; return what happened, counted."""
    happened: Counter[str] = Counter()
    for number, moment in enumerate(plan, 1):
        process = run.start()
        wait(run, process, moment, total)
        if process.poll() is not None:
            if process.returncode:
                run.fail(f"the run failed before kill {number}")
            print(f"the run ended before kill {number} of {len(plan)}")
            break
        happened["stopped within a minute"] += stop(run, process, moment.signal)
        happened[moment.signal] += 1
        time.sleep(0.2)
        if left := alive(run):
            run.fail(f"{moment}: processes are still running: {left}")
        partial = [path.name for path in (run.folder / "results").rglob("*.partial")]
        happened["half-written files"] += len(partial)
        locked = run.locked()
        if locked:
            happened["locked"] += 1
            run.unlock()
        print(
            f"{number}. {moment}; {run.finished()} jobs finished"
            f"{', locked' if locked else ''}{', in a write' if partial else ''}",
            flush=True,
        )
    process = run.start()
    if process.wait():
        run.fail("the last, undisturbed part of the run failed")
    return happened


def compare(undisturbed: Run, killed: Run) -> int:
    """Print every difference; return the number of files that are the same."""
    expected, found = checksums(undisturbed.results), checksums(killed.results)
    different = differences(found, expected)
    for word, paths in zip(("missing", "left over", "changed"), different, strict=True):
        for path in paths:
            print(f"{word}: {path}")
    for run in (undisturbed, killed):
        if "Nothing to be done" not in run.call("--dry-run", *run.arguments):
            run.fail("the finished run has jobs to do")
    temporary = [path for path in (killed.folder / "tmp").rglob("*") if path.is_file()]
    print(f"{len(temporary)} files are left in the folder for temporary files")
    same = len(expected) - len(different.missing) - len(different.changed)
    print(f"{same} of {len(expected)} files are the same, {len(different.added)} are left over")
    return len(expected) + len(different.added) - same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cores", type=int, default=2, help="of the run that is killed")
    parser.add_argument("--undisturbed-cores", type=int, default=1)
    parser.add_argument("--target", default="all")
    parser.add_argument("--configfile", nargs="+", default=["config/test.yaml"])
    parser.add_argument("--folder", type=Path, help="where to keep the copies")
    add_rows_option(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        whole = Run(folder / "undisturbed", given, given.undisturbed_cores)
        killed = Run(folder / "killed", given, given.cores)
        times = undisturbed(whole)
        killed.prepare(whole.folder)
        plan = moments(times, given.kills, given.seed)
        happened = disturb(killed, plan, len(times))
        different = compare(whole, killed)
    kills = sum(happened[name] for name in SIGNALS)
    print(", ".join(f"{count} × {what}" for what, count in happened.items() if count))
    case = f"{kills} kills of {' '.join(given.configfile)}, {given.cores} cores"
    hung = kills - happened["stopped within a minute"]
    rows = [
        Row(case, "files that differ from an undisturbed run", "files", different),
        Row(case, "runs that did not stop within a minute", "runs", hung),
        Row(case, "restarts after `--unlock`", "restarts", happened["locked"]),
        Row(case, "half-written files at a kill", "files", happened["half-written files"]),
    ]
    write_rows(given.rows, rows)
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
