"""The target `outcomes`, from the simulated delivery to its tables and its page."""

import polars as pl
import pytest

from .conftest import TINY, Copy

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
