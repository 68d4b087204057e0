"""Time a whole run in a copy of the repository, and the command that finds nothing left to do.

    python benchmarks/default_run.py [--cores 2] [--configfile config/test.yaml] [--rows FILE]

Without --configfile, the run is the default one, which `make demo` makes. Time is that on the
clock, so compare it only on a machine that does nothing else.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import Row, add_rows_option, write_rows

REPOSITORY = Path(__file__).parents[1]
SOURCES = ("config", "envs", "rules", "scripts", "src", "workflow")


def used() -> float:
    """Return the processor seconds of the child processes that have ended, and of theirs."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--configfile", nargs="+", default=[])
    add_rows_option(parser)
    given = parser.parse_args()
    configured = ["--configfile", *given.configfile] if given.configfile else []
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in SOURCES:
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(REPOSITORY / source, folder / source, ignore=ignored)
        command = [sys.executable, "-m", "snakemake", "--cores", str(given.cores), *configured]
        case = f"{' '.join(given.configfile) or 'default run'}, {given.cores} cores"
        for measure in ("a run", "the same command again"):
            clock, processor = time.perf_counter(), used()
            subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(folder / "src")},
                check=True,
            )
            rows += [
                Row(case, measure, "s", time.perf_counter() - clock),
                Row(case, measure, "CPU s", used() - processor),
            ]
        disk = sum(
            path.stat().st_size for path in (folder / "results").rglob("*") if path.is_file()
        )
        rows.append(Row(case, "files of the run", "MB", disk / 1e6))
    for row in rows:
        print(f"{row.case}: {row.measure}: {row.ours:.1f} {row.unit}")
    write_rows(given.rows, rows)


if __name__ == "__main__":
    main()
