"""A round trip: a trained model gathered in a folder predicts what the workflow predicts."""

import importlib.util
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import behrt
from behrt.files import read_json
from behrt.tasks import Task

from .conftest import REPOSITORY, TINY, Copy

pytestmark = pytest.mark.workflow


def prediction_times(results: Path, task: str) -> pl.DataFrame:
    """Return the days of the last input visits of the patients for whom a run predicts."""
    examples = pl.read_parquet(results / "tasks" / f"{task}.parquet").filter(
        pl.col("split") != "train", pl.col("label").list.len() > 0
    )
    visits = pl.read_parquet(sorted((results / "sequences").glob("*.parquet")))
    last = pl.col("visit_day").list.get(pl.col("input_visits") - 1)
    return examples.join(visits.select("subject_id", "visit_day"), on="subject_id").select(
        "subject_id", prediction_time=last.cast(pl.Date).cast(pl.Datetime("us"))
    )


def gather(results: Path, model: str, folder: Path) -> None:
    """Gather a model as the rule does, without its job."""
    path = REPOSITORY / "scripts" / "trained_model.py"
    spec = importlib.util.spec_from_file_location("script_trained_model", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    weights = results / "models" / "T2" / model / "model.safetensors"
    script.main(
        weights=weights,
        model_config=weights.with_name("config.json"),
        scores=results / "predictions" / "T2" / f"{model}.parquet",
        examples=results / "tasks" / "T2.parquet",
        vocabulary=results / "vocabulary.json",
        folder=folder,
        task=Task("T2", 6),
        run="test",
        data="simulated",
        minimum_visits=4,
    )


def test_a_gathered_model_predicts_elsewhere_what_the_workflow_predicts(
    editable: Copy, tmp_path: Path
) -> None:
    results, elsewhere = editable.results, tmp_path / "elsewhere"
    editable.snakemake("--cores", "1", "results/test/trained/T2/ensemble", *TINY)
    shutil.move(results / "trained" / "T2", elsewhere)
    models = ["behrt", "behrt_mask", "deepr", "forecast", "history", "lightgbm", "prevalence"]
    for model in models:
        gather(results, model, elsewhere / model)
    recalibrations = read_json(results / "assessment" / "T2" / "recalibration.json")
    at = prediction_times(results, "T2")
    for model in ["ensemble", *models]:
        loaded = behrt.load(elsewhere / model)
        found = loaded.score(results / "meds", at, calibrated=False)
        predicted = pl.read_parquet(results / "predictions" / "T2" / f"{model}.parquet")
        scores = found.rows.join(predicted, on="subject_id", maintain_order="left")["scores"]
        assert len(predicted) == len(found.rows) > 100
        assert np.abs(found.risks - scores.to_numpy()).max() < 1e-6, model
        assert found.refused == {}
        assert read_json(elsewhere / model / "recalibration.json") == recalibrations[model]
    documented(elsewhere / "forecast", results / "meds")


def documented(model: Path, data: Path) -> None:
    """Run the lines of docs/use_a_trained_model.md."""
    text = (REPOSITORY / "docs" / "use_a_trained_model.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    names: dict[str, pl.DataFrame] = {}
    lines = code[1].replace("results/demo/trained/T2/forecast", str(model))
    exec(lines.replace("results/demo/meds", str(data)), names)
    assert names["risks"].columns == ["subject_id", "prediction_time", "disease", "probability"]
    assert set(names["some"]["disease"]) == {"Gout", "Heart failure"}
    assert names["half_a_year_before"]["subject_id"].n_unique() > 100
    assert names["vectors"]["vector"].dtype.is_nested()
