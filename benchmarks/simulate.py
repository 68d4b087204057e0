"""Measure the speed and peak memory of simulating a delivery.

    python benchmarks/simulate.py [--people 100000] [--parts 4] [--jobs 2] [--rows FILE]

Runs the three stages as the workflow does: the world, the parts in processes of one thread each,
`jobs` at a time, and the linked files. The time for a million patients is extrapolated: the time of
the parts is proportional to patients, and that of the linked files to bytes.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rows import Row, add_rows_option, write_rows

MILLION = 1_000_000
SEED = 1
GOLD = ("patient", "consultation", "clinical", "additional", "referral", "test", "therapy")


def peak_megabytes() -> float:
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def world(folder: Path, practices: int) -> None:
    from behrt.simulation.delivery import write_world
    from behrt.simulation.world import make_world

    names = ("practice", "staff", "coverage", "medical", "codes", "graph", "diseases")
    write_world(
        make_world(practices, SEED),
        lists=folder / "caliber",
        own_lists=True,
        **{name: folder / name for name in names},
        seed=SEED,
    )


def part(folder: Path, number: int, parts: int, people: int, practices: int) -> tuple[float, float]:
    """Write one part in this fresh process; return its core seconds and its peak memory."""
    from behrt.settings.simulation import Flaws, ProcessSettings
    from behrt.simulation.code_lists import read_codes
    from behrt.simulation.delivery import people_of_part, write_part
    from behrt.simulation.world import make_world

    write_part(
        make_world(practices, SEED),
        read_codes(folder / "codes"),
        people_of_part(number, parts, people),
        tables={name: folder / f"{name}_{number:03d}.zip" for name in GOLD},
        fragments=folder / "fragments" / f"{number:03d}",
        people=folder / "people" / f"{number:03d}",
        onsets=folder / "onsets" / f"{number:03d}",
        settings=ProcessSettings(),
        flaws=Flaws(),
        seed=SEED,
    )
    return time.process_time(), peak_megabytes()


def linkage(folder: Path, parts: int) -> float:
    from behrt.simulation.delivery import write_linked
    from behrt.simulation.linked_data import TABLES

    write_linked(
        [folder / "fragments" / f"{number:03d}" for number in range(1, parts + 1)],
        {name: folder / f"{name}.txt" for name in TABLES},
    )
    return peak_megabytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--practices", type=int, default=400)
    add_rows_option(parser)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    spawn = multiprocessing.get_context("spawn")

    def pool(jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(jobs, spawn, max_tasks_per_child=1)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        with pool(1) as one:
            one.submit(world, folder, given.practices).result()
        ready = time.perf_counter()
        with pool(given.jobs) as several:
            jobs = [
                several.submit(part, folder, number, given.parts, given.people, given.practices)
                for number in range(1, given.parts + 1)
            ]
            measured = [job.result() for job in jobs]
        parted = time.perf_counter()
        with pool(1) as one:
            joining = one.submit(linkage, folder, given.parts).result()
        done = time.perf_counter()
        zipped = sum(path.stat().st_size for path in folder.glob("*.zip"))
        linked = sum(path.stat().st_size for path in folder.glob("*.txt"))
    core = sum(seconds for seconds, _ in measured)
    peak = max(peak for _, peak in measured)
    million = (ready - start) + (done - ready) * MILLION / given.people
    print(f"{given.people:,} patients in {given.parts} parts, {given.jobs} at a time")
    print(f"world                  {ready - start:8.1f} s")
    print(f"parts                  {parted - ready:8.1f} s   {core:,.1f} s of one core")
    print(f"linked files           {done - parted:8.1f} s")
    print(f"patients per second    {given.people / (done - start):8,.0f}")
    print(f"peak memory of a part  {peak:8,.0f} MB, of joining {joining:,.0f} MB")
    print(f"written                {zipped / 1e6:8,.0f} MB zipped, {linked / 1e6:,.0f} MB linked")
    print(f"a million patients     {million / 60:8.1f} minutes (extrapolated)")
    case = f"{given.people:,} people in {given.parts} parts"
    rows = [
        Row(case, "parts", "CPU s", core),
        Row(case, "speed", "patients/CPU s", given.people / core),
        Row(case, "memory of a part", "MB", peak),
        Row(case, "written", "MB", (zipped + linked) / 1e6),
    ]
    write_rows(given.rows, rows)


if __name__ == "__main__":
    main()
