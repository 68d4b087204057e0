"""The real Snakefile, run in copies of the repository so that tests can edit code and data."""

import compileall
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from filelock import FileLock

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SOURCES = ("config", "envs", "rules", "scripts", "src", "workflow")
TINY = ("--configfile", "config/test.yaml")
SLURM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
MINE = (*TINY, "config/mine.yaml")
# The files that run first: the longest, so that the workers of pytest-xdist end together. The
# first makes the finished run that most others need, the next two need none.
FIRST = ["slurm", "elsewhere", "sources", "additions", "run", "release", "failure", "search"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[bool, int]:
        name = item.path.stem.removeprefix("test_")
        return item.path.parent != HERE, FIRST.index(name) if name in FIRST else len(FIRST)

    items.sort(key=place)


@cache
def without_scontrol() -> str:
    folder = Path(tempfile.mkdtemp())
    (folder / "scontrol").symlink_to(shutil.which("false") or "/bin/false")
    return str(folder)


def quick_start() -> dict[str, str]:
    """Return the environment with a `scontrol` that fails at once, unless SLURM is configured.

    Snakemake's plugin for SLURM calls it at every start, and where SLURM is installed and not
    configured, as after its test, it waits for 10 seconds.
    """
    if SLURM_CONFIGURATION.exists():
        return dict(os.environ)
    return {**os.environ, "PATH": f"{without_scontrol()}{os.pathsep}{os.environ['PATH']}"}


@dataclass(frozen=True)
class Copy:
    """A copy of the repository, with or without results of runs."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results" / "test"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def environment(self) -> dict[str, str]:
        # Scripts import the copy's package rather than the installed one.
        kept = {k: v for k, v in quick_start().items() if not k.endswith("_NUM_THREADS")}
        return {**kept, "PYTHONPATH": str(self.folder / "src"), "NO_COLOR": "1"}

    def snakemake(self, *arguments: str, fails: bool = False) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout[-8000:]
        return done

    def copy(self, folder: Path) -> "Copy":
        shutil.copytree(self.folder, folder)
        return Copy(folder)

    def contents(self) -> dict[str, str]:
        """Return a hash of each artefact by its path, without logs and timings."""
        return {
            path.relative_to(self.results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.rglob("*"))
            if path.is_file()
            and path.name != ".snakemake_timestamp"
            and path.relative_to(self.results).parts[0] not in ("logs", "benchmarks")
        }

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a dry run would run."""
        done = self.snakemake("--dry-run", "--cores", "1", *arguments)
        return set(re.findall(r"^(\w+) +\d+$", done.stdout, re.MULTILINE)) - {"total"}

    def summary(self, *arguments: str) -> pl.DataFrame:
        """Return path (below the results), rule, status and plan of each file."""
        done = self.snakemake("--summary", *arguments)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        found = [row for row in rows if len(row) >= 6 and row[0] != "output_file"]
        return pl.DataFrame(
            {
                "path": [row[0].removeprefix("results/test/") for row in found],
                "rule": [row[2] for row in found],
                "status": [row[-2] for row in found],
                "plan": [row[-1] for row in found],
            }
        )


def script(name: str) -> ModuleType:
    """Return a script of the workflow as a module, to call its `main` without a job."""
    path = REPOSITORY / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"script_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the repository's files when the tests start. Tests must not change it."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    compileall.compile_dir(folder / "src", quiet=1)  # once, rather than in each copy of it
    return Copy(folder)


@pytest.fixture
def clean(sources: Copy, tmp_path: Path) -> Copy:
    """A copy in which nothing has run, which a test may change."""
    return sources.copy(tmp_path / "clean")


@pytest.fixture(scope="session")
def tiny(sources: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy in which config/test.yaml has run to the end. Tests must not change it.

    Workers of pytest-xdist share it: the first that needs it makes it, and the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    finished = shared / "tiny"
    with FileLock(shared / "tiny.lock"):
        if not finished.exists():
            made = sources.copy(tmp_path_factory.mktemp("tiny") / "copy")
            made.snakemake("--cores", "2", *TINY)
            made.folder.rename(finished)
    return Copy(finished)


@pytest.fixture
def editable(tiny: Copy, tmp_path: Path) -> Copy:
    """A copy in which config/test.yaml has run to the end, which a test may change."""
    return tiny.copy(tmp_path / "editable")


@pytest.fixture
def licensed(tiny: Copy, clean: Copy) -> Copy:
    """A copy with the tiny run's delivery in delivered/, and config/mine.yaml, which reads it."""
    shutil.copytree(tiny.results / "delivery", clean.folder / "delivered")
    shutil.copytree(tiny.results / "caliber", clean.folder / "lists")
    (clean.folder / "config" / "mine.yaml").write_text(
        "run: mine\nsource: cprd\ncaliber: lists\ndelivery: {folder: delivered}\n"
    )
    return clean
