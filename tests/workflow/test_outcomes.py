"""The target `outcomes`, from the simulated delivery to its tables and its page."""

from pathlib import Path

import polars as pl
import pytest

import behrt

from .conftest import TINY, Copy, script

pytestmark = pytest.mark.workflow

SMALL = """
outcomes:
  heart_failure_5y: null
  death_1y: null
  readmission_30d: null
  admitted: {event: admission, months: 24, ages: [18, 120]}
evaluation:
  outcome_models: [lightgbm_times]
"""


def test_an_outcome_of_the_configuration_is_predicted_and_scored(editable: Copy) -> None:
    (editable.folder / "config" / "small.yaml").write_text(SMALL)
    arguments = ["outcomes", *TINY, "config/small.yaml"]
    editable.snakemake("--cores", "2", *arguments)
    scores = pl.read_csv(editable.results / "tables" / "outcome_scores.csv")
    assert set(scores["model"]) == {"age_sex", "lightgbm_times"}
    assert set(scores["outcome"]) == {"admitted"}
    flow = pl.read_csv(editable.results / "tables" / "outcome_flow.csv")
    assert "Not in hospital on the index day" in flow["name"].to_list()
    assert "admitted" in (editable.results / "outcomes.html").read_text()
    again = editable.snakemake("--cores", "2", *arguments)
    assert "Nothing to be done" in again.stdout
    predicts_elsewhere(editable.results / "outcomes" / "admitted", editable.results)


def predicts_elsewhere(outcome: Path, results: Path) -> None:
    """Gather a model as the rule does, and compare its predictions with those of the workflow."""
    weights = outcome / "models" / "all" / "lightgbm_times" / "model.safetensors"
    predictions = outcome / "predictions" / "all" / "lightgbm_times.parquet"
    script("trained_outcome").main(
        weights=weights,
        model_config=weights.with_name("config.json"),
        predictions=predictions,
        vocabulary=results / "vocabulary.json",
        folder=results / "elsewhere",
        outcome="admitted",
        run="test",
        data="simulated",
    )
    own = pl.read_parquet(predictions).sort("subject_id", "prediction_time")
    at = own.select("subject_id", "prediction_time", "boolean_value")
    found = behrt.load(results / "elsewhere").predict(results / "meds", at, calibrated=False)
    column = "predicted_boolean_probability"
    assert found[column].to_list() == pytest.approx(own[column].to_list(), abs=1e-6)
