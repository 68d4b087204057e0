"""A round trip: a trained model gathered in a folder predicts what the workflow predicts."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import behrt
from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap
from behrt.files import read_json
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary, write_vocabulary
from behrt.tasks import Task

from .conftest import REPOSITORY, TINY, Copy, script

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
    weights = results / "models" / "T2" / model / "model.safetensors"
    script("trained_model").main(
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
    models = sorted({path.name for path in (results / "models" / "T2").iterdir()} - {"ensemble"})
    assert {"behrt", "deepr", "forecast", "lightgbm_times", "history"} <= set(models)
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


def validate(results: Path, folder: Path, out: Path, **changes: Any) -> None:
    """Validate a model on the held-out patients of a run, as the rule does on all patients."""
    sequences = pl.read_parquet(sorted((results / "sequences").glob("*.parquet")))
    out.mkdir()
    sequences.filter(pl.col("split") == "held_out").write_parquet(out / "00.parquet")
    given: dict[str, Any] = {
        "trained": folder / "trained.json",
        "sequences": [out / "00.parquet"],
        "vocabulary": results / "vocabulary.json",
        "metrics": out / "metrics.csv",
        "calibration": out / "calibration.csv",
        "recall_at": [10],
        "bootstrap": Bootstrap(50, 2020),
        "shared_words": False,
        "data": "simulated",
        "disclosure": Rules(5),
        "threads": 1,
    }
    script("validate").main(**given | changes)


def test_a_validation_scores_a_model_as_its_own_run_does(tiny: Copy, tmp_path: Path) -> None:
    gather(tiny.results, "behrt", tmp_path / "behrt")
    validate(tiny.results, tmp_path / "behrt", tmp_path / "out")
    for name in ("metrics", "calibration"):
        own = pl.read_csv(tiny.results / "tables" / f"{name}.csv")
        own = own.filter(pl.col("task") == "T2", pl.col("model") == "behrt")
        found = pl.read_csv(tmp_path / "out" / f"{name}.csv")
        keys = ["labels", "average", "metric"] if name == "metrics" else ["risks", "measure"]
        both = found.join(own, on=keys, suffix="_own")
        assert both.height == found.height > 8
        for column in ("value", "low", "high"):
            far = (both[column] - both[f"{column}_own"]).abs().max()
            assert far is not None
            assert far < 1e-4
        assert set(found["words"]) == {"all"}
    words = read_vocabulary(tiny.results / "vocabulary.json")
    fewer = Vocabulary((*words.phenotypes[:-1], "Zzz"), words.chapters)
    write_vocabulary(fewer, tmp_path / "fewer.json")
    with pytest.raises(InputError, match=r"300 of the run's 301 words"):
        validate(
            tiny.results,
            tmp_path / "behrt",
            tmp_path / "refused",
            vocabulary=tmp_path / "fewer.json",
        )


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
