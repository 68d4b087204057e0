"""The ablation's table: order, paired differences and switches."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS, combinations_of_inputs
from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap
from behrt.run import Run
from behrt.tables import ablation_inputs
from behrt.tables.ablation import tabulate


def write(path: Path, shift: float, subjects: range = range(60)) -> Path:
    base = np.random.default_rng(1).uniform(0.2, 0.6, size=len(subjects))
    columns = ("aps_all", "auroc_all", "aps_first", "auroc_first")
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "subject_id": [*subjects],
            **{name: base + shift + i / 20 for i, name in enumerate(columns)},
        }
    ).write_parquet(path)
    return path


def test_every_combination_is_compared_with_all_three(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / task / name / "behrt.parquet", i / 100)
        for task in ("T1", "T2")
        for i, name in enumerate(COMBINATIONS)
    ]
    table = tabulate(paths, ["T1", "T2"], ["behrt"], Bootstrap(50, 1), 5)
    assert len(table) == 2 * 2 * 8 * 2
    first = table.filter(task="T2", label_set="first_incidence", metric="AUROC")
    assert first["embeddings"].to_list() == [*COMBINATIONS]
    assert first["difference"].to_list() == pytest.approx(
        [(i - 7) / 100 for i in range(7)] + [None], abs=6e-5
    )
    # the shift is the same for every patient, so a paired difference has no spread
    assert first["difference_low"].to_list() == first["difference_high"].to_list()
    assert first["low"][0] < first["value"][0] < first["high"][0]
    assert first["patients"].to_list() == [60] * 8
    full = table.filter(embeddings=ALL_EMBEDDINGS)
    assert full["difference"].null_count() == len(full)
    assert full.select(pl.all_horizontal("age", "segment", "position").all()).item()
    alone = table.filter(embeddings="disease")
    assert not alone.select(pl.any_horizontal("age", "segment", "position").any()).item()


def test_other_patients_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / name / "behrt.parquet", 0) for name in COMBINATIONS]
    write(paths[3], 0, range(1, 61))
    with pytest.raises(InputError, match="patients are not those"):
        tabulate(paths, ["T2"], ["behrt"], Bootstrap(50, 1), 5)


@pytest.mark.parametrize("yardsticks", [["prevalence"], ["prevalence", "oracle"]])
def test_every_input_is_compared_with_diagnoses_only(tmp_path: Path, yardsticks: list[str]) -> None:
    inputs, names = ["diagnoses", "medications", "tests"], ["T1", "T2"]
    combinations = list(combinations_of_inputs(inputs))
    files = [
        write(tmp_path / task / name / "forecast.parquet", i / 100)
        for task in names
        for i, name in enumerate(combinations)
    ]
    others = [write(tmp_path / t / f"{y}.parquet", 0.2) for t in names for y in yardsticks]
    rules = Rules(threshold=5, rounding=1)
    run = Run("simulated", rules, "strict", 50, 1)
    table = ablation_inputs.table(run, files, others, inputs, names, ["forecast"], yardsticks)
    one = table.filter(task="T2", label_set="all", metric="APS")
    read = ["diagnoses", "diagnoses, medications", "diagnoses, tests", "all"]
    assert one["inputs"].to_list() == [*read, *yardsticks]
    assert one["difference"].to_list()[1:4] == pytest.approx([0.01, 0.02, 0.03], abs=6e-5)
    assert one["difference"][0] is None
    assert one["patients"].to_list() == [60] * len(one)
    assert not any(name.startswith("achieved") for name in table.columns)
