"""A search resumes to the same files, and a training uses the settings that it chose."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from behrt.files import read_json

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

CONFIG = "search: {trials: 1, spaces: {mlm: null}}\ntune: true\n"
TUNED = "models/T2/deepr/model.safetensors"
TARGETS = ["search/deepr/chosen.json", "figures/search.svg", TUNED]


def searched(copy: Copy) -> dict[str, str]:
    return {
        name: content
        for name, content in copy.contents().items()
        if name.startswith("search/") or "search" in Path(name).name
    }


def test_a_search_chooses_the_settings_of_a_training_and_resumes_to_the_same_bytes(
    editable: Copy,
) -> None:
    (editable.folder / "config" / "search.yaml").write_text(CONFIG)
    configured = (*TINY, "config/search.yaml")
    targets = [f"results/test/{target}" for target in TARGETS]
    done = editable.snakemake(*targets, "--cores", "2", *configured)
    whole = searched(editable)
    assert {*TARGETS[:2], "tables/search_deepr.csv", "figures/search.png"} <= set(whole)
    assert not any(name.endswith(".safetensors") for name in whole)
    table = pl.read_csv(editable.results / "tables" / "search_deepr.csv")
    assert table["round"].to_list() == [1, 2]
    assert table["outcome"].to_list().count("chosen") == 1

    # The chosen settings are those of the training, and only that model is trained.
    assert done.stdout.count("Train deepr for T2") == 1
    assert "Train behrt" not in done.stdout
    chosen = read_json(editable.results / "search" / "deepr" / "chosen.json")
    config = read_json(editable.results / "models" / "T2" / "deepr" / "config.json")
    assert chosen["settings"].items() <= config["settings"].items()
    assert config["optimisation"]["learning_rate"] == chosen["training"]["learning_rate"]
    assert config["optimisation"]["epochs"] == 2

    # As it is if the run stopped after the first round.
    folder = editable.results / "search" / "deepr"
    first = folder / "0_0" / "trial.json"
    kept = first.stat().st_mtime_ns
    shutil.rmtree(folder / "1_0")
    for name in ("1.json", "chosen.json"):
        (folder / name).unlink()
    editable.snakemake(targets[0], "--cores", "1", *configured)
    assert first.stat().st_mtime_ns == kept
    assert searched(editable) == whole
