"""A round trip: a trained model gathered in a folder predicts what the workflow predicts."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import behrt
from behrt.files import read_json

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


def test_a_gathered_model_predicts_elsewhere_what_the_workflow_predicts(
    editable: Copy, tmp_path: Path
) -> None:
    models = sorted(path.name for path in (editable.results / "models" / "T2").iterdir())
    assert {"behrt", "behrt_mask", "deepr", "forecast", "lightgbm", "ensemble"} < set(models)
    folders = [f"results/test/trained/T2/{model}" for model in models]
    editable.snakemake("--cores", "1", *folders, *TINY)
    shutil.move(editable.results / "trained" / "T2", tmp_path / "elsewhere")
    recalibrations = read_json(editable.results / "assessment" / "T2" / "recalibration.json")
    at = prediction_times(editable.results, "T2")
    for model in models:
        folder = tmp_path / "elsewhere" / model
        found = behrt.load(folder).score(editable.results / "meds", at, calibrated=False)
        predicted = pl.read_parquet(editable.results / "predictions" / "T2" / f"{model}.parquet")
        joined = found.rows.join(predicted, on="subject_id", maintain_order="left")
        assert found.risks.shape == joined["scores"].to_numpy().shape
        assert np.abs(found.risks - joined["scores"].to_numpy()).max() < 1e-6, model
        assert found.refused == {}
        assert read_json(folder / "recalibration.json") == recalibrations[model]
    documented(tmp_path / "elsewhere" / "forecast", editable.results / "meds")


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
