"""A model is added by one file and one entry of the config; the dear ones wait for `paper`."""

import polars as pl
import pytest
import yaml

from .conftest import TINY, Copy

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

MODEL = '''
"""Everybody is given one chance."""

from dataclasses import dataclass

import numpy as np
import torch

from behrt.learning.kinds import Estimated


@dataclass(frozen=True)
class Settings:
    chance: float = 0.5


def estimate(train, tuning, settings, run):
    return {"chance": torch.full((train.n_diseases,), settings.chance)}


def score(settings, weights, examples):
    return np.tile(weights["chance"].numpy(), (len(examples), 1))


_kind = Estimated("one_chance", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
'''
CONFIG = "more_models: {mine: {kind: one_chance, settings: {chance: 0.25}}}\n"
TARGET = "results/test/tables/table1_more.csv"


def test_one_file_and_one_entry_add_a_model(editable: Copy) -> None:
    planned = editable.snakemake("--dry-run", "--cores", "1", *TINY)
    assert "Nothing to be done" in planned.stdout
    planned = editable.snakemake("paper", "--dry-run", "--cores", "1", *TINY)
    for model in ("behrt_not_pretrained", "doctor_ai", "deepcare", "lightgbm", "skip_gram"):
        assert f"finetune/T2/{model}.log" in planned.stdout
    assert "table2_more.csv" in planned.stdout

    package = editable.folder / "src" / "behrt"
    (package / "models" / "one_chance.py").write_text(MODEL)
    shipped = yaml.safe_load((editable.folder / "config" / "config.yaml").read_text())
    (editable.folder / "config" / "none.yaml").write_text(
        yaml.safe_dump({"more_models": dict.fromkeys(shipped["more_models"])})
    )
    (editable.folder / "config" / "mine.yaml").write_text(CONFIG)
    configured = (*TINY, "config/none.yaml", "config/mine.yaml")
    done = editable.snakemake(TARGET, "--cores", "2", *configured)
    trained = [line for line in done.stdout.splitlines() if " for T" in line and "Train" in line]
    assert trained
    assert all("Train mine for" in line for line in trained)
    scores = pl.read_parquet(editable.results / "predictions" / "T2" / "mine.parquet")
    assert set(scores["scores"].explode()) == {0.25}
    table = pl.read_csv(editable.folder / TARGET)
    mine = table.filter(model="mine")
    assert mine["task"].unique(maintain_order=True).to_list() == ["T1", "T2", "T3"]
    assert mine.filter(metric="AUROC")["value"].to_list() == [0.5] * 3
    first = pl.read_csv(editable.results / "tables" / "table1.csv")
    shared = table.filter(pl.col("model") != "mine")
    assert shared.equals(first)  # the same draws of patients
