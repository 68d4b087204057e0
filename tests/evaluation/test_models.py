"""Tables 1 and 2: support, paired differences, suppression, and the text of the report."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.models import render, tabulate

MODELS = ["behrt", "history"]


def write_metrics(folder: Path, patients: int = 300, undefined: int = 20) -> list[Path]:
    """Write two models on two tasks; the history row is always .1 worse."""
    random = np.random.default_rng(2)
    paths = []
    for task in ("T1", "T2"):
        base = random.uniform(0.2, 0.9, (patients, 4))
        base[:undefined, 2:] = np.nan
        for model, less in (("behrt", 0.0), ("history", 0.1)):
            path = folder / task / f"{model}.parquet"
            path.parent.mkdir(exist_ok=True, parents=True)
            columns = ["aps_all", "auroc_all", "aps_first", "auroc_first"]
            pl.DataFrame(base - less, columns).fill_nan(None).with_columns(
                subject_id=pl.int_range(pl.len(), dtype=pl.Int64)
            ).write_parquet(path)
            paths.append(path)
    return paths


def make(paths: list[Path], label_set: str = "all", **changes: object) -> pl.DataFrame:
    arguments = {
        "tasks": ["T1", "T2"],
        "models": MODELS,
        "reference": "behrt",
        "bootstrap": Bootstrap(200, 3),
        "threshold": 5,
    }
    return tabulate(paths, label_set, **{**arguments, **changes})  # type: ignore[arg-type]


def test_a_row_a_task_model_and_metric(tmp_path: Path) -> None:
    paths = write_metrics(tmp_path)
    table = make(paths)
    assert table.columns == [
        *("task", "model", "metric", "value", "low", "high"),
        *("patients", "undefined", "difference", "difference_low", "difference_high"),
        *("achieved", "achieved_low", "achieved_high"),
        *("achieved_of_records", "achieved_of_records_low", "achieved_of_records_high"),
    ]
    assert table.select("task", "model", "metric").rows() == [
        (task, model, metric)
        for task in ("T1", "T2")
        for model in MODELS
        for metric in ("APS", "AUROC")
    ]
    behrt = pl.read_parquet(paths[0])
    assert table["value"][0] == pytest.approx(behrt["aps_all"].mean(), abs=5e-5)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()


def test_differences_are_paired(tmp_path: Path) -> None:
    table = make(write_metrics(tmp_path))
    history = table.filter(pl.col("model") == "history")
    # Worse by the same amount for every patient: the difference has no spread at all.
    for column in ("difference", "difference_low", "difference_high"):
        assert history[column].to_list() == [-0.1] * 4
        assert table.filter(pl.col("model") == "behrt")[column].null_count() == 4


def test_the_achieved_share_lies_between_prevalence_and_each_ceiling(tmp_path: Path) -> None:
    """Each patient's scores: those of prevalence, and more by a constant of each model."""
    random = np.random.default_rng(5)
    floor = random.uniform(0.1, 0.6, (300, 4))
    columns = ["aps_all", "auroc_all", "aps_first", "auroc_first"]
    paths = []
    more_of = {"behrt": 0.1, "prevalence": 0.0, "oracle_records": 0.2, "oracle": 0.25}
    for model, more in more_of.items():
        frame = pl.DataFrame(floor + more, schema=columns)
        paths.append(tmp_path / "T1" / f"{model}.parquet")
        paths[-1].parent.mkdir(exist_ok=True)
        frame.with_row_index("subject_id").write_parquet(paths[-1])
    models = list(more_of)
    table = make(paths, tasks=["T1"], models=models)
    for column, ceiling in {"achieved": 0.25, "achieved_of_records": 0.2}.items():
        shares = np.repeat([more / ceiling for more in more_of.values()], 2)
        for end in ("", "_low", "_high"):
            assert table[column + end].to_list() == pytest.approx(shares)
    without = make(paths, tasks=["T1"], models=models[:3])
    assert without["achieved"].null_count() == 6
    assert without["achieved_of_records"].null_count() == 0


def test_undefined_patients_are_counted_and_not_averaged(tmp_path: Path) -> None:
    paths = write_metrics(tmp_path)
    table = make(paths, "first_incidence")
    assert set(table["patients"]) == {280}
    assert set(table["undefined"]) == {20}
    behrt = pl.read_parquet(paths[0])
    assert table["value"][0] == pytest.approx(behrt["aps_first"].mean(), abs=5e-5)


def test_few_undefined_patients_do_not_follow_from_the_support(tmp_path: Path) -> None:
    table = make(write_metrics(tmp_path, undefined=3), "first_incidence")
    assert table["patients"].null_count() == len(table)
    assert table["undefined"].null_count() == len(table)
    assert table["value"].null_count() == 0


def test_scores_of_few_patients_are_not_shown(tmp_path: Path) -> None:
    table = make(write_metrics(tmp_path, patients=60, undefined=57), "first_incidence")
    columns = ("value", "low", "high", "difference", "achieved", "patients", "undefined")
    for column in columns:
        assert table[column].null_count() == len(table), column


def test_the_same_seed_gives_the_same_table(tmp_path: Path) -> None:
    paths = write_metrics(tmp_path)
    assert make(paths).equals(make(paths[::-1]))
    assert not make(paths).equals(make(paths, bootstrap=Bootstrap(200, 4)))


def test_models_must_have_been_scored_on_the_same_patients(tmp_path: Path) -> None:
    paths = write_metrics(tmp_path)
    pl.read_parquet(paths[1]).head(100).write_parquet(paths[1])
    with pytest.raises(InputError, match=r"history.parquet.*cannot be compared"):
        make(paths)
    with pytest.raises(InputError, match="T2/history"):
        make(paths[:3])
    with pytest.raises(InputError, match="'deepr' is not one of the models"):
        make(paths, reference="deepr")


def test_the_report_prints_it_as_the_paper_does() -> None:
    table = pl.DataFrame(
        {
            "task": ["T1"] * 4,
            "model": ["behrt", "behrt", "history", "history"],
            "metric": ["APS", "AUROC"] * 2,
            "value": [0.4624, 0.9541, 0.3, None],
            "low": [0.45, 0.95, None, None],
            "high": [0.47, 0.96, None, None],
        }
    )
    assert render(table) == (
        "| Model | T1: APS \\| AUROC |\n"
        "| --- | --- |\n"
        "| behrt | 0.462 [0.450, 0.470] \\| 0.954 [0.950, 0.960] |\n"
        "| history | 0.300 \\| – |\n"
    )
