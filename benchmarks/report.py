"""Run the benchmarks of speed side by side with their peers, and write docs/benchmarks.md.

    python benchmarks/report.py [--size quick] [--only extract training] [--out FILE]

Each benchmark runs in a process of its own, with `--rows`, one after another. Where it is cheap, it
runs several times, and the medians count. With --only, the other parts of the page stay as they
are. `make bench` installs the peers and runs this.
"""

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rows import Row, read_rows

from behrt.files import atomic
from behrt.machine import Machine, this_machine
from behrt.version import VERSION

REPOSITORY = Path(__file__).parents[1]
PACKAGES = (
    "polars",
    "numpy",
    "torch",
    "lightgbm",
    "snakemake",
    "duckdb",
    "pytorch-pretrained-bert",
    "transformers",
)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        script: the name of the file, without its ending.
        title: what it measures.
        full, quick: its arguments in each size.
        repeats: how often it runs in the size "full"; once in "quick".
        needs_gpu: whether it is left out without a GPU.
    """

    script: str
    title: str
    full: Sequence[str] = ()
    quick: Sequence[str] = ()
    repeats: int = 1
    needs_gpu: bool = False


BENCHMARKS = (
    Benchmark(
        "extract",
        "Reading delivered text",
        full=("--clinical-rows", "2000000", "10000000"),
        quick=("--clinical-rows", "500000", "--repeats", "1"),
    ),
    Benchmark(
        "simulate",
        "Simulating a delivery",
        full=("--people", "40000"),
        quick=("--people", "5000", "--parts", "2", "--practices", "20"),
        repeats=3,
    ),
    Benchmark("training", "Training BEHRT", quick=("--repeats", "1", "--seconds", "1")),
    Benchmark(
        "training",
        "Training BEHRT of the paper's size",
        full=("--paper",),
        quick=("--paper", "--repeats", "1", "--seconds", "2"),
    ),
    Benchmark("gpu", "Training on a GPU", quick=("--minutes", "2"), needs_gpu=True),
    Benchmark("hugging_face", "BEHRT's encoder and that of transformers", repeats=3),
    Benchmark(
        "mapped_examples",
        "Memory of training examples",
        full=("--patients", "50000"),
        quick=("--patients", "10000"),
    ),
    Benchmark(
        "scale",
        "From text to examples, by the number of patients",
        full=("--people", "25000", "50000", "100000", "--until", "tasks"),
        quick=("--people", "6000", "12000", "--until", "tasks"),
    ),
    Benchmark("default_run", "A whole run", quick=("--configfile", "config/test.yaml")),
    Benchmark(
        "kills",
        "A run that is killed and resumed",
        full=("--seed", "2", "--undisturbed-cores", "3"),
        quick=("--kills", "2"),
    ),
)

START = """\
# Benchmarks

`make bench` writes this page: it runs these benchmarks, each beside its peers on the same work.
`make bench BENCH=quick` runs smaller sizes, in a few minutes, and `python benchmarks/report.py
--only NAME` one of them. Numbers are medians where a benchmark runs several times. *Better by* is
the peer's number over this project's, and for rates (units with a slash) this project's over the
peer's: above 1, this project is ahead. CPU s are seconds of a processor, user and system, also of
child processes; they depend little on what else the machine does. The docstring of each program of
`benchmarks/` describes what it compares.
"""


def run(benchmark: Benchmark, size: str) -> tuple[str, list[Row], float]:
    """Run a benchmark; return its command, the medians of its rows, and the seconds that it took.

    Raises:
        SystemExit: it failed.
    """
    arguments = benchmark.full if size == "full" else benchmark.quick
    command = [f"benchmarks/{benchmark.script}.py", *arguments]
    begun = time.monotonic()
    repeated: dict[tuple[str, str, str, str], list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        for _ in range(benchmark.repeats if size == "full" else 1):
            done = subprocess.run(
                [sys.executable, *command, "--rows", str(file)], cwd=REPOSITORY, check=False
            )
            if not file.exists() or done.returncode < 0:
                sys.exit(f"{' '.join(command)} failed with exit status {done.returncode}")
            for row in read_rows(file):
                key = (row.case, row.measure, row.unit, row.peer_name)
                repeated.setdefault(key, []).append(row)
            file.unlink()
    medians = [median(rows) for rows in repeated.values()]
    return f"python {' '.join(command)}", medians, time.monotonic() - begun


def median(rows: Sequence[Row]) -> Row:
    """Return the row of the medians of rows that measure the same."""
    peers = [row.peer for row in rows if row.peer is not None]
    return replace(
        rows[0],
        ours=statistics.median(row.ours for row in rows),
        peer=statistics.median(peers) if peers else None,
    )


def number(value: float | None) -> str:
    """Return a number with three digits, or nothing for None."""
    if value is None:
        return ""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def better(row: Row) -> str:
    """Return by how much this project is better than the peer."""
    if row.peer is None or not row.ours or not row.peer:
        return ""
    ratio = row.ours / row.peer if "/" in row.unit else row.peer / row.ours
    return f"×{ratio:.2f}"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table; without the peer's columns if there is no peer."""
    peers = any(row.peer is not None for row in rows)
    header = [
        "case",
        "measure",
        "unit",
        "this project",
        *(["peer", "its name", "better by"] * peers),
    ]
    lines = [header, ["---", "---", "---", "--:", *(["--:", "---", "--:"] * peers)]]
    for row in rows:
        cells = [row.case, row.measure, row.unit, number(row.ours)]
        lines.append(cells + [number(row.peer), row.peer_name, better(row)] * peers)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def described(machine: Machine) -> str:
    """Return the machine and the versions, as a list."""
    memory = "" if machine.memory is None else f", {machine.memory:.0f} GiB of memory"
    versions = [f"behrt {VERSION}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return (
        f"* Machine: {machine.processor}, {machine.cores} cores{memory}; {machine.system}.\n"
        f"* Versions: {', '.join(versions)}."
    )


def section(benchmark: Benchmark, size: str) -> str:
    """Run a benchmark; return its part of the page."""
    if benchmark.needs_gpu and shutil.which("nvidia-smi") is None:
        return f"`python benchmarks/{benchmark.script}.py` was left out: there is no GPU."
    load = os.getloadavg()[0]
    command, rows, seconds = run(benchmark, size)
    return (
        f"`{command}`, in {seconds / 60:.1f} minutes; load average at the start: {load:.1f}."
        f"\n\n{table(rows)}"
    )


def parts(page: Path) -> dict[str, str]:
    """Return the parts of a page by title, without its beginning."""
    if not page.exists():
        return {}
    _, *found = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pairs = (part.split("\n", 1) for part in found)
    return {title: text.strip() for title, text in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(dict.fromkeys(benchmark.script for benchmark in BENCHMARKS))
    parser.add_argument("--size", choices=("full", "quick"), default="full")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    given = parser.parse_args()
    kept = parts(given.out)
    for benchmark in BENCHMARKS:
        if benchmark.script not in given.only:
            continue
        print(f"== {benchmark.title}", flush=True)
        kept[benchmark.title] = section(benchmark, given.size)
        shown = [
            f"## {each.title}\n\n{kept[each.title]}" for each in BENCHMARKS if each.title in kept
        ]
        page = "\n\n".join([START + "\n" + described(this_machine()), *shown])
        with atomic(given.out) as temporary:  # what is there after each benchmark
            temporary.write_text(page + "\n", encoding="utf-8")
    print(f"Done. See {given.out}.")


if __name__ == "__main__":
    main()
