"""A delivery of CPRD Aurum through the workflow, and the same people as CPRD GOLD has them.

It is read with medications and tests, so that a model reads them, too.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import behrt
from behrt.cprd.delivery import find_parts
from behrt.sequences.vocabulary import read_vocabulary
from behrt.simulation.paths import simulated_parts
from behrt.use.inputs import UNKNOWN_OTHERS

from .conftest import TINY, Copy
from .test_trained import gather, prediction_times

pytestmark = pytest.mark.workflow

SETTINGS = """
run: aurum
database: aurum
inputs: [diagnoses, medications, tests]
check: {megabytes: 100} # every row, to compare numbers
"""
AURUM = (*TINY, "config/with_tests.yaml")
SHARDS = ("00", "01")


def diagnoses(results: Path) -> pl.DataFrame:
    """Return subject_id, time, code of every diagnosis, and the days of follow-up."""
    events = pl.read_parquet(results / "meds" / "data" / "*.parquet")
    cohort = pl.read_parquet(results / "cohort" / "cohort.parquet")
    window = cohort.select("subject_id", "follow_up_start", "follow_up_end")
    found = events.filter(pl.col("code").str.starts_with("CALIBER//"))
    return found.join(window, on="subject_id").select(
        "subject_id", "code", "follow_up_start", "follow_up_end", day=pl.col("time").dt.date()
    )


def test_an_aurum_delivery_runs_to_predictions(tiny: Copy, clean: Copy, tmp_path: Path) -> None:
    (clean.folder / "config" / "with_tests.yaml").write_text(SETTINGS)
    results = clean.folder / "results" / "aurum"
    targets = [f"results/aurum/sequences/{shard}.parquet" for shard in SHARDS]
    targets += ["results/aurum/tables/cohort_flow.csv", "results/aurum/tables/population.csv"]
    targets += ["results/aurum/predictions/T2/lightgbm_times.parquet"]
    targets.append("results/aurum/outcomes/readmission_30d/labels.parquet")
    clean.snakemake(*targets, "check_delivery", "--cores", "2", *AURUM)
    delivery = results / "delivery"
    assert find_parts(delivery, database="aurum") == simulated_parts(delivery, 2, "aurum")

    flow = pl.read_csv(results / "tables" / "cohort_flow.csv")
    assert "Registered at a practice" in flow["name"].to_list()
    report = json.loads((results / "check" / "delivery.json").read_text())
    assert report["ready"]
    assert report["cohort"]["expected"] == flow["patients"][-1]
    assert report["tables"]["observation"]["formats"] == {"obsdate": {"DD/MM/YYYY": 2}}

    # The people and their diseases are those of the run on GOLD, whose follow-up starts later.
    gold, aurum = diagnoses(tiny.results), diagnoses(results)
    assert gold.height > 5_000
    both = ["subject_id", "day", "code"]
    window = gold.select("subject_id", "follow_up_start", "follow_up_end").unique()
    in_both = aurum.drop("follow_up_start", "follow_up_end").join(window, on="subject_id")
    inside = in_both.filter(pl.col("day").is_between("follow_up_start", "follow_up_end"))
    assert inside.select(both).sort(both).equals(gold.select(both).sort(both))
    assert aurum.height > inside.height

    words = read_vocabulary(results / "vocabulary.json")
    assert set(words.concepts) == {"medications", "tests"}
    others = (
        pl.read_parquet(results / "meds" / "data" / "*.parquet")
        .filter(pl.col("code").is_in(words.concept_codes))
        .select("subject_id", day=pl.col("time").dt.date())
    )
    sequences = pl.read_parquet(results / "sequences" / "*.parquet")
    days = pl.concat([aurum.select("subject_id", "day"), others]).unique()
    seen = days["subject_id"].value_counts()
    visits = sequences.select("subject_id", visits=pl.col("visit_day").list.len())
    counted = visits.join(seen, on="subject_id")
    assert counted.height == seen.height
    assert (counted["visits"] == counted["count"]).all()
    predicts_elsewhere(results, tmp_path / "elsewhere")
    labels = pl.read_parquet(results / "outcomes" / "readmission_30d" / "labels.parquet")
    stays = pl.read_parquet(results / "admissions" / "*.parquet")
    ended = stays.select("subject_id", day=pl.col("discharged").cast(pl.Date))
    made = labels.select("subject_id", day=pl.col("prediction_time").dt.date())
    assert labels.height > 1_000
    assert made.join(ended, on=["subject_id", "day"], how="anti").is_empty()
    assert 0.01 < labels["boolean_value"].mean() < 0.3  # type: ignore[operator]
    again = clean.snakemake("--dry-run", "--cores", "1", *targets, *AURUM)
    assert "Nothing to be done" in again.stdout


def predicts_elsewhere(results: Path, folder: Path) -> None:
    """Compare the predictions of a gathered model, from the MEDS data, with the workflow's."""
    gather(results, "lightgbm_times", folder)
    found = behrt.load(folder).score(
        results / "meds", prediction_times(results, "T2"), calibrated=False
    )
    predicted = pl.read_parquet(results / "predictions" / "T2" / "lightgbm_times.parquet")
    scores = found.rows.join(predicted, on="subject_id", maintain_order="left")["scores"]
    assert len(predicted) == len(found.rows) > 100
    assert np.abs(found.risks - scores.to_numpy()).max() < 1e-6
    assert set(found.refused) <= {UNKNOWN_OTHERS}  # codes that too few patients have
