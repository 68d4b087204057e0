"""Runs from other folders and other workflows, and mistakes that end in one sentence."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

from .conftest import Copy, quick_start

pytestmark = pytest.mark.workflow

LISTS = "results/test/phenotypes/icd.parquet"
TINY = ("--configfile", "config/test.yaml")

MODULE = """
configfile: "study.yaml"


module behrt:
    snakefile: "{snakefile}"
    config: config


use rule * from behrt as behrt_*


rule all:
    default_target: True
    input: rules.behrt_all.input
"""


def snakemake(
    python: Path | str, folder: Path, *arguments: str, fails: bool = False, **environment: str
) -> str:
    done = subprocess.run(
        [str(python), "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env={**quick_start(), "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout[-8000:]
    assert "Traceback" not in done.stdout
    return done.stdout


def test_it_runs_from_another_folder_with_spaces_in_every_path_and_no_home(
    sources: Copy, tmp_path: Path
) -> None:
    copy = sources.copy(tmp_path / "The Workflow")
    study = tmp_path / "My Study"
    study.mkdir()
    (study / "mine.yaml").write_text("run: mine\nresults: my results\n")
    place = tmp_path / "An Environment"
    venv.create(place, symlinks=True)
    (packages,) = place.glob("lib/python3*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_paths()["purelib"])
    snakemake(
        place / "bin" / "python",
        tmp_path,
        *("-s", str(copy.folder / "workflow" / "Snakefile"), "-d", str(study)),
        "my results/mine/phenotypes/icd.parquet",
        *("--configfile", str(study / "mine.yaml")),
        PYTHONPATH=str(copy.folder / "src"),
        HOME="/proc/none",
    )
    assert (study / "my results" / "mine" / "phenotypes" / "icd.parquet").is_file()
    assert sorted(path.name for path in study.iterdir()) == [
        *(".snakemake", "mine.yaml", "my results")
    ]


def test_it_is_a_module_of_another_workflow(sources: Copy, tmp_path: Path) -> None:
    snakefile = sources.folder / "workflow" / "Snakefile"
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=snakefile))
    (tmp_path / "study.yaml").write_text("run: mine\nresults: made\nsplit: {held_ou: 0.1}\n")
    path = str(sources.folder / "src")
    refused = snakemake(sys.executable, tmp_path, "-n", fails=True, PYTHONPATH=path)
    assert "there is no key 'held_ou'. Did you mean 'held_out'." in refused
    (tmp_path / "study.yaml").write_text("run: mine\nresults: made\n")
    # All jobs are planned, and one is run.
    snakemake(sys.executable, tmp_path, "--until", "behrt_phenotypes", PYTHONPATH=path)
    assert (tmp_path / "made" / "mine" / "phenotypes" / "icd.parquet").is_file()


def test_a_target_behind_configfile_is_named(clean: Copy) -> None:
    done = clean.snakemake("-n", "--cores", "1", *TINY, "all", fails=True)
    assert "all: there is no such configuration file. If it is a target" in done.stdout
    assert "Traceback" not in done.stdout


def test_results_that_are_a_file_are_named(clean: Copy) -> None:
    (clean.folder / "results").touch()
    done = clean.snakemake(LISTS, "--cores", "1", *TINY, fails=True)
    assert "it is a file where a folder is needed. Move or rename it." in done.stdout
    assert "Traceback" not in done.stdout


def test_a_run_stopped_by_its_user_says_how_to_resume(clean: Copy) -> None:
    process = subprocess.Popen(
        clean.command("--cores", "2", *TINY),
        cwd=clean.folder,
        env=clean.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    log = clean.results / "logs" / "simulate_world.log"
    for _ in range(3000):  # a job has begun, and is past its imports
        if log.exists() or process.poll() is not None:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Stopped on request. Run the same command again to resume." in output
    assert "Traceback" not in output
    assert "Failed" not in output
