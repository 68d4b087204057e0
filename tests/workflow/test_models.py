"""A model is added by one file and one entry of the config."""

import polars as pl
import pytest

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

MODEL = '''
"""The same probability for everyone."""

import numpy as np

from behrt.learning.estimated import Estimated
from behrt.settings.base import Section, Share


class Settings(Section):
    """The probability."""

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
