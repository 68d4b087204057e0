"""Outcomes through the workflow: from the simulated delivery to a page, and from OMOP."""

from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

import behrt
from behrt.files import read_json

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
    assert set(scores["model"]) == {"age_sex", "lightgbm_times", "oracle"}
    assert set(scores["risks"]) == {"as trained", "recalibrated", "treat all"}
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


# --- OMOP tables -------------------------------------------------------------------------------

START, END = date(2001, 1, 1), date(2010, 12, 31)
CODES = ("I10", "E119", "J449", "N179")
Stay = tuple[date, date, bool]


def people(number: int) -> list[dict[str, Any]]:
    """Return people with dated codes, stays in hospital, and deaths."""
    draw, found = Random(3), []
    for subject in range(1, number + 1):
        days = sorted(draw.sample(range(30, 3600), 6))
        died = START + timedelta(days[-1] + 20) if draw.random() < 0.3 else None
        stays: list[Stay] = []
        for day in days[::2]:
            first = START + timedelta(day)
            stays.append((first, first + timedelta(2), draw.random() < 0.5))
            if draw.random() < 0.4:
                again = first + timedelta(draw.choice([10, 32, 33]))
                stays.append((again, again + timedelta(1), True))
        kept = [stay for stay in stays if stay[1] < (died or END)]
        joined = [s for s, b in zip(kept, [None, *kept], strict=False) if not b or b[1] < s[0]]
        found.append(
            {
                "subject": subject,
                "sex": subject % 2,
                "born": 1930 + subject % 50,
                "codes": [(START + timedelta(day), draw.choice(CODES)) for day in days],
                "stays": joined,
                "died": died,
            }
        )
    return found


def to_omop(folder: Path, everybody: list[dict[str, Any]]) -> None:
    folder.mkdir()
    tables = {
        "person": ["person_id,gender_concept_id,year_of_birth,month_of_birth"],
        "observation_period": [
            "person_id,observation_period_start_date,observation_period_end_date"
        ],
        "condition_occurrence": [
            "person_id,condition_start_date,condition_source_value,condition_concept_id"
        ],
        "visit_occurrence": ["person_id,visit_concept_id,visit_start_date,visit_end_date"],
        "death": ["person_id,death_date"],
    }
    for one in everybody:
        who = one["subject"]
        tables["person"].append(f"{who},{(8507, 8532)[one['sex']]},{one['born']},1")
        tables["observation_period"].append(f"{who},{START},{one['died'] or END}")
        tables["condition_occurrence"] += [f"{who},{day},{code},0" for day, code in one["codes"]]
        tables["visit_occurrence"] += [
            f"{who},{262 if emergency else 9201},{first},{last}"
            for first, last, emergency in one["stays"]
        ]
        if one["died"]:
            tables["death"].append(f"{who},{one['died']}")
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("".join(f"{line}\n" for line in lines))


ELSEWHERE = """
run: omop
source: omop
shards: 1
caliber: null
omop: {folder: given}
outcomes:
  heart_failure_5y: null
  death_1y: null
  readmission_30d: {ages: null, training_labels: null}
  mine: {labels: labels.csv, maximum_refused: 0.9}
evaluation: {outcome_models: []}
"""


def expected(everybody: list[dict[str, Any]]) -> dict[tuple[int, date], bool]:
    """Return the label of each discharge, straight from the definition."""
    labels = {}
    for one in everybody:
        first_code = min(day for day, _ in one["codes"])
        last_known = one["died"] or END
        for _, day, _ in one["stays"]:
            window = day + timedelta(30)
            again = any(e and day < first <= window for first, _, e in one["stays"])
            known = again or one["died"] or window <= last_known
            if first_code <= day and known and day != one["died"]:
                labels[one["subject"], day] = again
    return labels


def label_file(path: Path, everybody: list[dict[str, Any]]) -> None:
    """Write a label at two times of each subject, and three that are refused."""
    lines = ["subject_id,prediction_time,boolean_value"]
    for one in everybody:
        for year in (2008, 2009):
            label = int(one["subject"] % 3 == 0)
            lines.append(f"{one['subject']},{year}-01-01 12:00:00,{label}")
    lines += ["9999,2008-01-01,1", "1,1900-01-01,1", "2,2020-01-01,0"]
    path.write_text("".join(f"{line}\n" for line in lines))


def test_outcomes_of_omop_tables_are_those_of_their_people(clean: Copy) -> None:
    everybody = people(150)
    to_omop(clean.folder / "given", everybody)
    label_file(clean.folder / "labels.csv", everybody)
    (clean.folder / "config" / "elsewhere.yaml").write_text(ELSEWHERE)
    folder = clean.folder / "results" / "omop" / "outcomes"
    targets = ["mine/assessment/all/scores.parquet", "readmission_30d/labels.parquet"]
    config = ("--configfile", *TINY[1:], "config/elsewhere.yaml")
    clean.snakemake("--cores", "2", *(f"results/omop/outcomes/{name}" for name in targets), *config)
    found = pl.read_parquet(folder / "readmission_30d" / "labels.parquet").select(
        "subject_id", pl.col("prediction_time").dt.date(), "boolean_value"
    )
    labels = {(subject, day): label for subject, day, label in found.iter_rows()}
    assert labels == expected(everybody)
    mine = read_json(folder / "mine" / "manifest.json")
    assert mine["rows_unused"]["unknown subject"] == 1
    assert mine["rows_unused"]["before birth"] == 1
    ended = sum(one["died"] is not None and one["died"] < date(2009, 1, 1) for one in everybody)
    assert mine["rows_unused"]["after the end of the record"] >= max(ended, 1)
    assert mine["rows_used"] + sum(mine["rows_unused"].values()) == mine["rows_read"] == 303
    scores = pl.read_parquet(folder / "mine" / "assessment" / "all" / "scores.parquet")
    assert set(scores["model"]) == {"age_sex"}
