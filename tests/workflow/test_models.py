"""A model is added by one file and one entry of the config; the dear ones wait for `paper`."""

import polars as pl
import pytest
import yaml

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

MODEL = '''
"""Everybody is given one chance."""

import numpy as np

from behrt.learning.estimated import Estimated
from behrt.settings.base import Section, Share


class Settings(Section):
    """The one chance."""

    chance: Share = 0.5
    """The probability of each disease."""


def estimate(train, tuning, settings, run):
    return {"chance": np.full(train.n_diseases, settings.chance, dtype=np.float32)}


def score(settings, weights, examples):
    return np.tile(weights["chance"], (len(examples), 1))


_kind = Estimated("one_chance", Settings, estimate, score)
fit, predict = _kind.fit, _kind.predict
'''
CONFIG = "more_models: {mine: {kind: one_chance, settings: {chance: 0.25}}}\n"


def test_one_file_and_one_entry_add_a_model(editable: Copy) -> None:
    package = editable.folder / "src" / "behrt"
    (package / "models" / "one_chance.py").write_text(MODEL)
    (editable.folder / "config" / "mine.yaml").write_text(CONFIG)
    target = "results/test/evaluation/T2/mine.parquet"
    done = editable.snakemake(target, "--cores", "1", *TINY, "config/mine.yaml")
    assert done.stdout.count("Train mine for T2") == 1
    assert done.stdout.count("Train ") == 1
    scores = pl.read_parquet(editable.results / "predictions" / "T2" / "mine.parquet")
    assert set(scores["scores"].explode()) == {0.25}
    metrics = pl.read_parquet(editable.folder / target)
    assert set(metrics["auroc_all"].drop_nulls()) == {0.5}


def test_more_models_wait_for_the_paper(editable: Copy) -> None:
    planned = editable.snakemake("--dry-run", "--cores", "1", *TINY)
    assert "Nothing to be done" in planned.stdout
    planned = editable.snakemake("paper", "--dry-run", "--cores", "1", *TINY)
    for model in ("behrt_not_pretrained", "doctor_ai", "deepcare", "bag_of_words", "skip_gram"):
        assert f"Train {model} for T2" in planned.stdout
    assert "Tabulate every model, table 2" in planned.stdout

    shipped = yaml.safe_load((editable.folder / "config" / "config.yaml").read_text())
    none = {"more_models": dict.fromkeys(shipped["more_models"])}
    (editable.folder / "config" / "none.yaml").write_text(yaml.safe_dump(none))
    target = "results/test/tables/table1_more.csv"
    editable.snakemake(target, "--cores", "1", *TINY, "config/none.yaml")
    first = (editable.results / "tables" / "table1.csv").read_text()
    assert (editable.folder / target).read_text() == first  # the same draws of patients
