"""How time, memory and disk grow with the number of patients, from delivered text to the figures.

    python benchmarks/scale.py [--people 250000 500000 1000000] [--until tasks] [--remove-text]
                               [--check] [--out docs/scale.csv] [--rows rows.csv]

Simulates one delivery per size, in files and shards that hold as many people as those of the
default run, and runs the workflow on it with one core: to the examples of the tasks, or, without
`--until tasks`, also two models that need no training to speak of, and every table and figure that
needs no pretraining. Deletes each run before the next one, and refuses a size for which the disk
is too small.

Snakemake's benchmark files take a sample every 30 seconds, so each job itself writes its processor
time and its largest memory when it ends. Prints them by stage, with the slope of log(CPU seconds)
over log(people), which is 1 for linear growth. With `--check`, it is an error if the slope of a
stage that takes at least `NOTICEABLE` of the time exceeds 1.05, or if a job needs more than 4 GB.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import yaml
from rows import Row, add_rows_option, write_rows

REPOSITORY = Path(__file__).parents[1]
PEOPLE_PER_PART, PEOPLE_PER_SHARD, PEOPLE_PER_PRACTICE = 12_500, 25_000, 909
CHEAP = ("prevalence", "history")
"""Models whose training is only counting."""

STEEPEST, MOST_MEMORY = 1.05, 4_000
NOTICEABLE = 0.01
BYTES_PER_PERSON = {False: 9_000, True: 5_000}
"""Disk that a run needs at most, with the text and without it."""

STAGES = {
    "simulate": ("simulate_world", "simulate_part", "simulate_linkage"),
    "extract": ("extract",),
    "phenotypes": ("phenotypes",),
    "cohort": ("cohort_shard", "cohort"),
    "events": ("events", "meds"),
    "split": ("split",),
    "vocabulary": ("vocabulary",),
    "sequences": ("sequences",),
    "tasks": ("task",),
    "models": ("finetune",),
    "evaluate": ("evaluate",),
    "assess": ("assess",),
    "tables": ("table",),
    "figures": ("figure",),
}
"""The scripts of each stage, in the order of the workflow."""

FOLDERS = {
    "simulate": ("delivery", "fragments", "truth"),
    "extract": ("extracted",),
    "cohort": ("cohort",),
    "events": ("meds", "unmapped"),
    "sequences": ("sequences",),
    "tasks": ("tasks",),
    "models": ("models", "predictions"),
    "evaluate": ("evaluation",),
    "assess": ("assessment",),
}
"""The folders of results that each stage writes; the others are small."""

# Python imports it in every job: the last thing that the job does is to write what it used.
HOOK = """
import atexit, json, os, resource, sys

def write():
    name = os.path.basename(sys.argv[0]).split(".")
    if len(name) == 3 and name[2] == "py":
        used = resource.getrusage(resource.RUSAGE_SELF)
        lines = open("/proc/self/status").read().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        row = {"script": name[1], "cpu": used.ru_utime + used.ru_stime, "mb": peak * 1.024e-3}
        with open(os.environ["SCALE_JOBS"], "a") as file:
            file.write(json.dumps(row) + "\\n")

atexit.register(write)
"""


@dataclass
class Used:
    """What the jobs of a stage used: their number, CPU seconds, and the largest memory in MB."""

    jobs: int = 0
    cpu: float = 0.0
    memory: float = 0.0
    memory_of: str = ""
    disk: float = 0.0


@dataclass
class Measured:
    """What a run used, by stage, and in all: with Snakemake itself, and the start of its jobs."""

    people: int
    stages: dict[str, Used] = field(default_factory=lambda: defaultdict(Used))
    cpu: float = 0.0
    seconds: float = 0.0


def configuration(people: int, given: argparse.Namespace) -> dict[str, object]:
    """Return what differs from the default configuration."""
    default = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    config: dict[str, object] = {
        "run": f"scale_{people}",
        "shards": max(people // PEOPLE_PER_SHARD, 1),
        "simulation": {
            "people": people,
            "parts": min(max(people // PEOPLE_PER_PART, 1), 999),
            "practices": min(max(people // PEOPLE_PER_PRACTICE, 2), 999),
        },
        "models": {name: None for name in default["models"] if name not in CHEAP},
        "more_models": dict.fromkeys(default["more_models"]),
        "search": {"spaces": dict.fromkeys(default["search"]["spaces"])},
        "outcomes": dict.fromkeys(default["outcomes"]),
        "evaluation": {"reference": CHEAP[-1]},
        # Without the ceilings, whose time is that of the simulated process.
        "examples": {"death": "label"},
    }
    return config | ({"keep_text": False} if given.remove_text else {})


def run(people: int, given: argparse.Namespace, folder: Path) -> Measured:
    """Run the workflow for a number of people in a folder; return what it used."""
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(people, given)))
    (folder / "hook").mkdir(exist_ok=True)
    (folder / "hook" / "sitecustomize.py").write_text(HOOK)
    jobs = folder / "jobs.jsonl"
    results = folder / "results" / f"scale_{people}"
    targets = ["all", "--omit-from", "pretrain"]
    if given.until == "tasks":
        targets = [f"{results}/{name}" for name in ("cohort/cohort.parquet", "vocabulary.json")]
        targets += [f"{results}/tasks/T{number}.parquet" for number in (1, 2, 3)]
    command = [sys.executable, "-m", "snakemake", *targets]
    command += ["--cores", str(given.cores), "--directory", str(folder)]
    command += ["--snakefile", str(REPOSITORY / "workflow/Snakefile")]
    command += ["--workflow-profile", str(REPOSITORY / "workflow/profiles/default")]
    command += ["--config", f"results={folder / 'results'}", "--configfile", "config.yaml"]
    modules = [str(folder / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(modules), "SCALE_JOBS": str(jobs)}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (folder / "snakemake.log").open("wb") as log:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        sys.exit((folder / "snakemake.log").read_text()[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = Measured(people, seconds=time.monotonic() - start)
    measured.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stage_of = {script: stage for stage, scripts in STAGES.items() for script in scripts}
    for line in jobs.read_text().splitlines():
        job = json.loads(line)
        used = measured.stages[stage_of.get(job["script"], job["script"])]
        used.jobs += 1
        used.cpu += job["cpu"]
        if job["mb"] > used.memory:
            used.memory, used.memory_of = job["mb"], job["script"]
    for stage, names in FOLDERS.items():
        used = measured.stages[stage]
        used.disk = sum(
            path.stat().st_size
            for name in names
            for path in (results / name).rglob("*")
            if path.is_file()
        )
    return measured


def slope(people: Sequence[int], cpu: Sequence[float]) -> float:
    """Return the least-squares slope of log(CPU seconds) over log(people)."""
    x, y = ([math.log(value) for value in values] for values in (people, cpu))
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    along = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return along / sum((a - middle_x) ** 2 for a in x)


def frame(measured: Sequence[Measured]) -> pl.DataFrame:
    """Return one row per stage and size."""
    rows = [
        {
            "people": one.people,
            "stage": stage,
            "jobs": used.jobs,
            "cpu_seconds": used.cpu,
            "largest_job_mb": used.memory,
            "largest_job": used.memory_of,
            "disk_mb": used.disk / 1e6,
        }
        for one in measured
        for stage in [*STAGES, *(name for name in one.stages if name not in STAGES)]
        if (used := one.stages.get(stage)) and used.jobs
    ]
    rows += [
        {
            "people": one.people,
            "stage": "whole run",
            "jobs": sum(used.jobs for used in one.stages.values()),
            "cpu_seconds": one.cpu,
            "largest_job_mb": max(used.memory for used in one.stages.values()),
            "largest_job": "",
            "disk_mb": sum(used.disk for used in one.stages.values()) / 1e6,
        }
        for one in measured
    ]
    return pl.DataFrame(rows)


def report(table: pl.DataFrame) -> bool:
    """Print a table by stage and size, with slopes; return whether all is within the limits."""
    sizes = table["people"].unique().sort().to_list()
    whole = table.filter((pl.col("stage") == "whole run") & (pl.col("people") == sizes[-1]))
    total = whole["cpu_seconds"].item()
    print(f"{'stage':12}" + "".join(f"{people / 1e6:>27g} M" for people in sizes) + "   slope")
    fits = True
    for (stage,), rows in table.group_by("stage", maintain_order=True):
        text, by_size = f"{stage:12}", {row["people"]: row for row in rows.iter_rows(named=True)}
        for people in sizes:
            row = by_size.get(people)
            numbers = (
                f"{row['cpu_seconds']:,.1f} s {row['largest_job_mb']:,.0f} MB"
                f" {row['disk_mb'] / 1e3:,.2f} GB"
                if row
                else ""
            )
            text += f"{numbers:>29}"
        if len(rows) > 1:
            steepness = slope(rows["people"].to_list(), rows["cpu_seconds"].to_list())
            matters = rows["cpu_seconds"].to_list()[-1] >= NOTICEABLE * total
            text += f"{steepness:8.3f}{'' if matters else ' (short)'}"
            fits &= not matters or steepness <= STEEPEST
        if (most := rows["largest_job_mb"].max()) is not None and float(str(most)) > MOST_MEMORY:
            text += "  more than 4 GB"
            fits = False
        print(text)
    return fits


def check_disk(people: int, given: argparse.Namespace, folder: Path) -> None:
    """Exit if a run of this size would leave less disk than is to be kept free."""
    needed = people * BYTES_PER_PERSON[given.remove_text] + given.keep_free * 1e9
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(
            f"{people:,} people need {needed / 1e9:.0f} GB of disk, with what is to be left free;"
            f" {free / 1e9:.0f} GB are free"
        )


def rows_of(table: pl.DataFrame) -> list[Row]:
    """Return the measures that docs/benchmarks.md shows."""
    found = []
    for row in table.iter_rows(named=True):
        case = f"{row['people']:,} people, {row['stage']}"
        found.append(Row(case, "time", "CPU s", row["cpu_seconds"]))
        found.append(Row(case, "peak memory", "MB", row["largest_job_mb"]))
        if row["disk_mb"]:
            found.append(Row(case, "disk", "MB", row["disk_mb"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=[50_000, 100_000, 200_000])
    parser.add_argument("--until", choices=["tasks", "figures"], default="figures")
    parser.add_argument("--remove-text", action="store_true", help="keep_text: false")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--keep-free", type=float, default=15, metavar="GB")
    parser.add_argument("--folder", type=Path, help="for the runs; by default a temporary one")
    parser.add_argument("--keep", action="store_true", help="do not delete the runs")
    parser.add_argument("--check", action="store_true", help="fail if a stage is not linear")
    parser.add_argument("--out", type=Path, help="CSV, one row per stage and size; rows are added")
    add_rows_option(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        tables = [pl.read_csv(given.out)] if given.out and given.out.exists() else []
        for people in sorted(given.people):
            of_size = folder / str(people)
            of_size.mkdir(parents=True, exist_ok=True)
            check_disk(people, given, of_size)
            tables.append(frame([run(people, given, of_size)]))
            if given.out:
                pl.concat(tables).write_csv(given.out, float_precision=3)
            if not given.keep:
                shutil.rmtree(of_size)
    table = pl.concat(tables).unique(["people", "stage"], keep="last", maintain_order=True)
    write_rows(given.rows, rows_of(table))
    if not report(table) and given.check:
        sys.exit("A stage grows faster than its input, or a job needs more than 4 GB.")


if __name__ == "__main__":
    main()
