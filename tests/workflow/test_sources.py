"""Other programs read the MEDS dataset of a run, and a run reads a dataset of theirs."""

import datetime
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import polars as pl
import pyarrow.parquet as pq
import pytest
from meds.schema import CodeMetadataSchema, DataSchema, DatasetMetadataSchema, SubjectSplitSchema

from behrt.figures.models import TOO_FEW
from behrt.sources.meds import find_parts, find_split

from .conftest import TINY, Copy, script

pytestmark = pytest.mark.workflow

LISTS = ("medcodes", "icd", "phenotypes")

GENERATED = """
run: generated
source: meds
shards: 2
caliber: null
meds: {folder: generated}
codes: {own: ["dynamic//"], minimum_patients: 20}
outcomes:
  heart_failure_5y: null
  death_1y: null
  readmission_30d: null
  mine: {labels: labels.parquet}
"""


def read_by_meds_reader(folder: Path, out: Path) -> list[tuple[int, datetime.datetime | None, str]]:
    """Return every event that `meds_reader` finds in a MEDS dataset."""
    meds_reader = pytest.importorskip("meds_reader", reason="has no wheel for this Python")
    programs = Path(sys.executable).parent
    for program, *options in (
        ["meds_reader_convert", "--num_threads", "1"],
        ["meds_reader_verify"],
    ):
        command = [str(programs / program), str(folder), str(out), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with meds_reader.SubjectDatabase(str(out)) as subjects:
        return [
            (subject, event.time, event.code)
            for subject in subjects
            for event in subjects[subject].events
        ]


def generate(folder: Path, people: int) -> pl.DataFrame:
    """Write a dataset that `meds-testing-helpers` makes; return its events."""
    generator = pytest.importorskip("meds_testing_helpers.dataset_generator")
    rvs = pytest.importorskip("meds_testing_helpers.rvs")
    np = pytest.importorskip("numpy")
    days = rvs.PositiveTimeDeltaGenerator([np.timedelta64(days, "D") for days in (9, 40, 90)])
    made = generator.MEDSDatasetGenerator(
        generator.MEDSDataDFGenerator(
            birth_datetime_per_subject=rvs.DatetimeGenerator(
                [np.datetime64("1950-06-01", "us"), np.datetime64("1971-02-02", "us")]
            ),
            start_data_datetime_per_subject=rvs.DatetimeGenerator(
                [np.datetime64("2001-01-01", "us")]
            ),
            time_between_birth_and_data_per_subject=rvs.PositiveTimeDeltaGenerator(
                [np.timedelta64(30, "Y"), np.timedelta64(40, "Y")]
            ),
            time_between_data_and_death_per_subject=days,
            time_between_data_events_per_subject=days,
            num_events_per_subject=rvs.PositiveIntGenerator([6, 12, 20]),
            num_measurements_per_event=rvs.PositiveIntGenerator([1, 2, 3]),
            num_static_measurements_per_subject=rvs.PositiveIntGenerator([1]),
            frac_dynamic_code_occurrences_with_value=rvs.ProportionGenerator([0.1]),
            frac_static_code_occurrences_with_value=rvs.ProportionGenerator([0]),
            static_vocab_size=4,
            dynamic_vocab_size=40,
            frac_subjects_with_death=0.3,
        ),
        shard_size=people // 3,
        dataset_name="generated",
    ).sample(people, np.random.default_rng(1))
    made.write(folder)
    return pl.concat(pl.read_parquet(path) for path in (folder / "data").rglob("*.parquet"))


def test_a_dataset_made_by_another_program_runs_through(clean: Copy) -> None:
    events = generate(clean.folder / "generated", 300)
    (clean.folder / "config" / "generated.yaml").write_text(GENERATED)
    config = ("--configfile", *TINY[1:], "config/generated.yaml")
    results = clean.folder / "results" / "generated"
    targets = [
        f"results/generated/evaluation/T2/{name}.parquet" for name in ("prevalence", "history")
    ]
    targets.append("results/generated/tables/cohort_flow.csv")
    targets.append("results/generated/outcomes/mine/labels.parquet")
    last = (
        events.drop_nulls("time").group_by("subject_id").agg(prediction_time=pl.col("time").max())
    )
    given = last.with_columns(boolean_value=pl.col("subject_id") % 2 == 0)
    given.write_parquet(clean.folder / "labels.parquet")
    clean.snakemake("--cores", "2", *targets, *config)
    vocabulary = json.loads((results / "vocabulary.json").read_text())
    dynamic = events.filter(pl.col("code").str.starts_with("dynamic//"))
    counts = (
        dynamic.group_by("code")
        .agg(pl.col("subject_id").n_unique())
        .filter(pl.col("subject_id") >= 20)
    )
    assert vocabulary["phenotypes"] == sorted(counts["code"])
    assert set(vocabulary["chapters"]) == {"No chapter"}
    visits = pl.read_parquet(results / "sequences" / "*.parquet").select(
        "subject_id", pl.col("visit_day").cast(pl.List(pl.Date))
    )
    expected = (
        dynamic.filter(pl.col("code").is_in(counts["code"].implode()))
        .group_by("subject_id")
        .agg(visit_day=pl.col("time").dt.date().unique().sort())
    )
    assert visits.sort("subject_id").equals(expected.sort("subject_id"))
    made = pl.read_parquet(results / "outcomes" / "mine" / "labels.parquet")
    same = ["subject_id", "prediction_time", "boolean_value"]
    assert made.join(given, on=same).height == made.height > 200
    scored = pl.read_parquet(results / "evaluation" / "T2" / "history.parquet")
    assert scored.height > 10
    again = clean.snakemake("--dry-run", "--cores", "2", *targets, *config)
    assert "Nothing to be done" in again.stdout
    target = "results/generated/figures/explorer.html"  # shows only simulated patients
    refused = clean.snakemake(target, "--dry-run", "--cores", "1", *config, fails=True)
    assert "MissingRuleException" in refused.stdout


SMALL = """
run: small
source: meds
shards: 1
caliber: null
meds: {folder: small}
codes: {minimum_patients: 5}
tasks: {T1: next_visit, T2: null, T3: null}
evaluation: {task: T1}
search: {task: T1}
ablation: {tasks: [T1]}
models: {behrt_mask: null, deepr: null, retain: null, forecast: null, logistic_regression: null,
  lightgbm: null, lightgbm_times: null, ensemble: null}
"""
CODES = ["I10", "E119", "E785", "N179", "I2510", "F329", "K219", "J449", "I4891", "N390"]


def small_dataset(folder: Path) -> None:
    """Write 100 subjects, as a public demo has: half with negative ids, most with few visits."""
    draw = Random(1)
    rows: list[tuple[int, datetime.date | None, str]] = []
    for i in range(100):
        subject = (-1) ** i * (2_624_989_531_201_712 + i)
        rows.append((subject, datetime.date(1930 + i % 50, 1, 1), "MEDS_BIRTH"))
        rows.append((subject, None, f"GENDER//{'FM'[i % 2]}"))
        day = datetime.date(2110, 1, 1)
        for _ in range(draw.choices([1, 2, 3, 6, 12], [8, 4, 2, 3, 3])[0]):
            day += datetime.timedelta(draw.randrange(20, 200))
            chosen = [code for code in CODES if draw.random() < 0.4]
            rows += [(subject, day, f"DIAGNOSIS//ICD//10//{code}") for code in chosen]
    frame = pl.DataFrame(rows, ["subject_id", "time", "code"], orient="row")
    (folder / "data").mkdir(parents=True)
    timed = frame.with_columns(pl.col("time").cast(pl.Datetime("us")))
    timed.sort("subject_id").write_parquet(folder / "data" / "0.parquet")
    subjects = frame["subject_id"].unique(maintain_order=True)
    names = ["train"] * 8 + ["tuning", "held_out"]
    splits = pl.DataFrame({"subject_id": subjects, "split": names * 10})
    (folder / "metadata").mkdir()
    splits.write_parquet(folder / "metadata" / "subject_splits.parquet")


def test_a_demo_of_100_patients_ends_in_a_report(clean: Copy) -> None:
    small_dataset(clean.folder / "small")
    (clean.folder / "config" / "small.yaml").write_text(SMALL)
    clean.snakemake("--cores", "2", "--configfile", *TINY[1:], "config/small.yaml")
    results = clean.folder / "results" / "small"
    report = (results / "report.html").read_text()
    assert "As the dataset" in report
    own = pl.read_parquet(clean.folder / "small/metadata/subject_splits.parquet")
    used = pl.read_parquet(results / "meds/metadata/subject_splits.parquet")
    assert used.join(own, on=["subject_id", "split"], how="anti").is_empty()
    assert used["subject_id"].min() < 0  # type: ignore[operator]
    for figure in ("diseases", "disease_differences", "decision", "calibration", "trends"):
        assert TOO_FEW in (results / "figures" / f"{figure}.svg").read_text()


def test_a_missing_dataset_is_named(clean: Copy) -> None:
    (clean.folder / "config" / "generated.yaml").write_text(GENERATED)
    config = ("--configfile", *TINY[1:], "config/generated.yaml")
    done = clean.snakemake("-n", "--cores", "1", *config, fails=True)
    assert "generated: there is no such folder. Set `meds.folder`" in done.stdout
    assert "Traceback" not in done.stdout


def test_meds_reader_reads_the_dataset_of_a_run(tiny: Copy, tmp_path: Path) -> None:
    folder = tiny.results / "meds"
    read = read_by_meds_reader(folder, tmp_path / "database")
    written = pl.read_parquet(folder / "data" / "*.parquet").select("subject_id", "time", "code")
    assert len(read) > 10_000
    found = pl.DataFrame(read, schema=written.schema, orient="row")
    order = ["subject_id", "time", "code"]
    assert found.sort(order).equals(written.sort(order))


def test_the_dataset_of_a_run_is_valid_meds(tiny: Copy) -> None:
    folder = tiny.results / "meds"
    for path in sorted((folder / "data").glob("*.parquet")):
        DataSchema.validate(pq.read_table(path))
        rows = pl.read_parquet(path)
        assert rows["subject_id"].is_sorted()
    CodeMetadataSchema.validate(pq.read_table(folder / "metadata" / "codes.parquet"))
    SubjectSplitSchema.validate(pq.read_table(folder / "metadata" / "subject_splits.parquet"))
    DatasetMetadataSchema.validate(json.loads((folder / "metadata" / "dataset.json").read_text()))
    listed = set(pl.read_parquet(folder / "metadata" / "codes.parquet")["code"])
    assert set(pl.read_parquet(folder / "data" / "*.parquet")["code"]) <= listed


def test_the_dataset_by_split_also_has_the_codes_of_the_source(tiny: Copy, tmp_path: Path) -> None:
    folder = tiny.results / "meds"
    lists = {name: tiny.results / "phenotypes" / f"{name}.parquet" for name in LISTS}
    named = tmp_path / "source_codes.parquet"
    script("source_codes").main(lists=tiny.results / "caliber", source_codes=named)
    own = []
    for number, shard in enumerate(sorted((folder / "data").glob("*.parquet"))):
        own.append(tmp_path / shard.name)
        script("source_events").main(
            cohort=tiny.results / "cohort" / "shards" / shard.name,
            diagnoses=sorted((tiny.results / "extracted" / "clinical").glob("*.parquet")),
            hospital=sorted((tiny.results / "extracted" / "hes_diagnosis_hosp").glob("*.parquet")),
            source_codes=named,
            events=own[-1],
            shard=number,
        )
    script("meds_by_split").main(
        source_events=own,
        source_codes=named,
        **lists,
        shards=sorted((folder / "data").glob("*.parquet")),
        splits=folder / "metadata" / "subject_splits.parquet",
        codes=folder / "metadata" / "codes.parquet",
        dataset=folder / "metadata" / "dataset.json",
        folder=tmp_path / "meds",
    )
    splits = pl.read_parquet(folder / "metadata" / "subject_splits.parquet")
    parts = find_parts(tmp_path / "meds")
    events = []
    for part in parts:
        DataSchema.validate(pq.read_table(part.path))
        rows = pl.read_parquet(part.path)
        assert rows["subject_id"].is_sorted()
        found = splits.filter(pl.col("subject_id").is_in(rows["subject_id"].unique().implode()))
        assert found["split"].unique().to_list() == [part.path.parent.name]
        events.append(rows)
    order = ["subject_id", "time", "code"]
    written = pl.read_parquet(folder / "data" / "*.parquet")
    found = pl.concat(events)
    of_source = pl.col("code").str.contains("^(READ|MEDCODE|ICD10)//")
    assert found.filter(~of_source).sort(order).equals(written.sort(order))
    # Every disease has a code of the source, on the same day, that is mapped to it.
    described = pl.read_parquet(tmp_path / "meds" / "metadata" / "codes.parquet")
    assert set(found["code"]) <= set(described["code"])
    mapped = (
        found.filter(of_source)
        .join(described.select("code", "parent_codes"), on="code")
        .select("subject_id", "time", code="parent_codes")
        .explode("code")
        .filter(pl.col("code").str.starts_with("CALIBER//"))
        .unique()
    )
    diseases = written.filter(pl.col("code").str.starts_with("CALIBER//")).select(order)
    assert mapped.sort(order).equals(diseases.sort(order))
    parents = described.select(code="parent_codes").explode("code").drop_nulls()["code"]
    chapters = pl.col("code").str.starts_with("CHAPTER//")
    assert parents.to_frame().filter(~chapters).join(described, on="code", how="anti").is_empty()
    assert find_split(tmp_path / "meds") is not None
