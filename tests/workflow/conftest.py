"""The real Snakefile, run in copies of the repository so that tests can edit code and data."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("config", "envs", "rules", "scripts", "src", "workflow")
TINY = ("--configfile", "config/test.yaml")
MINE = (*TINY, "config/mine.yaml")


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
        kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
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

    def summary(self, *arguments: str) -> dict[str, dict[str, set[str]]]:
        """Return, by rule, the status and the plan of its files, according to Snakemake."""
        done = self.snakemake("--summary", *arguments)
        rules: dict[str, dict[str, set[str]]] = {}
        for line in done.stdout.splitlines():
            columns = line.split("\t")
            if len(columns) >= 6 and columns[0] != "output_file":
                found = rules.setdefault(columns[2], {"status": set(), "plan": set()})
                found["status"].add(columns[-2])
                found["plan"].add(columns[-1])
        return rules


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
