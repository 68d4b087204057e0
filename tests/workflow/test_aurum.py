"""A delivery of CPRD Aurum through the workflow, and the same people as CPRD GOLD has them."""

import json
from pathlib import Path

import polars as pl
import pytest

from behrt.cprd.delivery import find_parts
from behrt.simulation.paths import simulated_parts

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

AURUM = (*TINY, "--config", "run=aurum", "database=aurum")
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


def test_an_aurum_delivery_runs_to_sequences_and_tables(tiny: Copy, clean: Copy) -> None:
    results = clean.folder / "results" / "aurum"
    targets = [f"results/aurum/sequences/{shard}.parquet" for shard in SHARDS]
    targets += ["results/aurum/tables/cohort_flow.csv", "results/aurum/tables/population.csv"]
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

    sequences = pl.read_parquet(results / "sequences" / "*.parquet")
    seen = aurum.select("subject_id", "day").unique()["subject_id"].value_counts()
    visits = sequences.select("subject_id", visits=pl.col("visit_day").list.len())
    counted = visits.join(seen, on="subject_id")
    assert counted.height == seen.height
    assert (counted["visits"] == counted["count"]).all()
    again = clean.snakemake("--dry-run", "--cores", "1", *targets, *AURUM)
    assert "Nothing to be done" in again.stdout
