"""The table of sampled futures by hand, and the figure that is drawn from it."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.disclosure import Rules
from behrt.figures.trajectories import draw
from behrt.run import Run
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.tables.trajectories import table

N, YEARS = 20, 2


def incidence(folder: Path, vocabulary: Vocabulary) -> Path:
    """Write shares of two events: disease 4, which half of the patients have, and death."""
    shares = np.zeros((2, N, len(vocabulary.phenotypes) + 1, YEARS), dtype=np.float32)
    shares[0, :, 4] = [0.2, 0.4]
    shares[1, :, 4] = [0.1, 0.5]
    shares[0, : N // 2, 4] = 0.9  # on record already
    shares[:, :, -1, 1] = np.linspace(0, 0.95, N)
    shape = pl.Array(pl.Float32, shares.shape[2:])
    pl.DataFrame(
        {
            "subject_id": range(N),
            "known": [[4]] * (N // 2) + [[]] * (N // 2),
            "predicted": pl.Series(shares[0], dtype=shape),
            "truth": pl.Series(shares[1], dtype=shape),
        },
        schema_overrides={"known": pl.List(pl.Int16)},
    ).write_parquet(folder / "incidence.parquet")
    write_vocabulary(vocabulary, folder / "vocabulary.json")
    return folder / "incidence.parquet"


def test_means_count_patients_without_the_disease(tmp_path: Path, vocabulary: Vocabulary) -> None:
    run = Run("simulated", Rules(5), protocol="strict", resamples=50, seed=1)
    path = incidence(tmp_path, vocabulary)
    found = table(run, path, tmp_path / "vocabulary.json", diseases=1, groups=2)
    everybody = found.filter(group="all")
    assert everybody["event"].unique(maintain_order=True).to_list() == [
        *("Death", "New diseases (number)", "Disease 04")
    ]
    disease = everybody.filter(event="Disease 04")
    assert disease["patients"].to_list() == [N // 2] * YEARS
    assert disease["predicted"].to_list() == pytest.approx([0.2, 0.4])
    assert disease["difference"].to_list() == pytest.approx([0.1, -0.1])
    number = everybody.filter(pl.col("event").str.starts_with("New"), pl.col("years") == 2)
    assert number["truth"].item() == pytest.approx(0.25)
    death = found.filter(pl.col("event") == "Death", pl.col("group") != "all")
    assert death["predicted"].to_list() == pytest.approx([0.225, 0.725], abs=1e-4)
    assert (death["predicted_low"] < death["predicted"]).all()

    draw(found).savefig(tmp_path / "figure.svg")
    text = "\n".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "figure.svg").read_text(), re.S))
    for word in ("Disease 04", "Death", "predicted", "truth", "Fifths of the patients"):
        assert word in text


def test_groups_of_few_patients_are_hidden(tmp_path: Path, vocabulary: Vocabulary) -> None:
    run = Run("simulated", Rules(12), protocol="strict", resamples=20, seed=1)
    path = incidence(tmp_path, vocabulary)
    found = table(run, path, tmp_path / "vocabulary.json", diseases=1, groups=2)
    few = found.filter(pl.col("event") == "Disease 04")
    assert few["predicted"].null_count() == few["truth_high"].null_count() == len(few)
