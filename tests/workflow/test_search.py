"""A search that is killed resumes to the same files as one that is not."""

import os
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from behrt.files import read_json

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

CONFIG = "search: {trials: 1, spaces: {mlm: null}}\n"
TARGETS = [
    "results/test/search/deepr/chosen.json",
    *(f"results/test/figures/search.{form}" for form in ("png", "svg")),
]


def searched(copy: Copy) -> dict[str, str]:
    return {
        name: content
        for name, content in copy.contents().items()
        if name.startswith("search/") or "search" in Path(name).name
    }


def test_a_killed_search_resumes_to_the_same_bytes(
    tiny: Copy, editable: Copy, tmp_path: Path
) -> None:
    other = tiny.copy(tmp_path / "other")
    for copy in (editable, other):
        (copy.folder / "config" / "search.yaml").write_text(CONFIG)
    configured = (*TINY, "config/search.yaml")
    editable.snakemake(*TARGETS, "--cores", "2", *configured)

    begun = other.results / "logs" / "search_trial" / "deepr"
    process = subprocess.Popen(
        other.command(*TARGETS, "--cores", "1", *configured),
        cwd=other.folder,
        env=other.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and len(list(begun.glob("*.log"))) < 2:
        time.sleep(0.02)
    assert process.poll() is None, "the search ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (first,) = (other.results / "search" / "deepr").glob("*/trial.json")
    kept = first.stat().st_mtime_ns
    other.snakemake("--unlock", *configured)
    other.snakemake(*TARGETS, "--cores", "1", *configured)
    assert first.stat().st_mtime_ns == kept
    assert searched(other) == searched(editable)

    names = set(searched(editable))
    assert {"search/deepr/chosen.json", "tables/search_deepr.csv", "figures/search.svg"} <= names
    assert not any(name.endswith(".safetensors") for name in names)
    table = pl.read_csv(editable.results / "tables" / "search_deepr.csv")
    assert table["round"].to_list() == [1, 2]
    assert table["outcome"].to_list().count("chosen") == 1

    # With `tune`, the chosen settings are those of the training, and only that model is trained.
    (editable.folder / "config" / "tune.yaml").write_text("tune: true\n")
    target = "results/test/models/T2/deepr/model.safetensors"
    done = editable.snakemake(target, "--cores", "2", *configured, "config/tune.yaml")
    assert done.stdout.count("Train deepr for T2") == 1
    assert "Train behrt" not in done.stdout
    chosen = read_json(editable.results / "search" / "deepr" / "chosen.json")
    config = read_json(editable.results / "models" / "T2" / "deepr" / "config.json")
    assert chosen["settings"].items() <= config["settings"].items()
    assert config["optimisation"]["learning_rate"] == chosen["training"]["learning_rate"]
    assert config["optimisation"]["epochs"] == 2
