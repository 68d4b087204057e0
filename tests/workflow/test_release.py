"""The files of a run disclose no patient, and `release` gathers only those that may leave."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

import behrt
from behrt.disclosure import Rules
from behrt.evaluation.tidy import read_table
from behrt.release.derived import covered, derived
from behrt.release.scan import Finding, Watch, files_of_run, scan
from behrt.release.solved import GROUPED, small_benefits, small_groups
from behrt.run_folders import PATIENT_DATA

from .conftest import TINY, Copy, script
from .test_run import TARGETS
from .test_trained import prediction_times

pytestmark = pytest.mark.workflow

RULES = Rules(5)
KINDS = ["behrt", "deepr", "forecast"]  # whose weights may leave


def ids_of(copy: Copy) -> np.ndarray:
    """Return the ids of all patients of the delivery."""
    parts = (copy.results / "extracted" / "patient").glob("*.parquet")
    return pl.concat([pl.read_parquet(part)["patid"] for part in parts]).to_numpy()


def test_the_files_of_a_run_disclose_no_patient(tiny: Copy) -> None:
    files = files_of_run(tiny.results)
    suffixes = {path.suffix for path in files}
    assert suffixes >= {".log", ".jsonl", ".json", ".csv", ".svg", ".png", ".safetensors"}
    # Short ids, as in a MEDS dataset, cause no false alarm.
    ids = np.concatenate([ids_of(tiny), np.arange(10_000)])
    assert scan(tiny.results, files, Watch(ids, RULES)) == []
    written = {path.stem: path for path in (tiny.results / "tables").glob("*.csv")}
    read = {name: read_table(path) for name, path in written.items()}
    assert small_groups(read, GROUPED, RULES) == small_benefits(read, RULES) == []
    tables = {name: table for name, table in read.items() if covered(name)}
    assert len(tables) > 10
    assert derived(tables, RULES) == []


def test_the_scan_finds_leaks_in_a_run(editable: Copy) -> None:
    """A leak of each kind, where a stage could leave it."""
    ids = ids_of(editable)
    patient = str(ids.max())
    run = editable.results
    for name, text in (
        ("logs/cohort.log", f"patient {patient} was refused"),
        ("logs/evaluate/T2/behrt.log", "3 patients have no label"),
        ("logs/events/00.log", "first event on 2003-02-11"),
    ):
        with (run / name).open("a") as log:
            log.write(text + "\n")
    (run / "benchmarks" / "meds.jsonl").write_text(json.dumps({"patients": 3}) + "\n")
    config = json.loads((run / "models" / "mlm" / "config.json").read_text())
    (run / "models" / "mlm" / "config.json").write_text(
        json.dumps(config | {"longest": int(patient)})
    )
    shutil.copy(run / "cohort" / "cohort.parquet", run / "tables" / "cohort.parquet")
    table = run / "tables" / "table1.csv"
    table.write_text(table.read_text().replace(",0,,,", ",3,,,", 1))
    found = scan(run, files_of_run(run), Watch(ids, RULES))
    assert {(finding.file, finding.kind) for finding in found} == {
        ("benchmarks/meds.jsonl", "a small count of patients"),
        ("logs/cohort.log", "a patient's id"),
        ("logs/evaluate/T2/behrt.log", "a small count of patients"),
        ("logs/events/00.log", "an exact date"),
        ("models/mlm/config.json", "a patient's id"),
        ("tables/cohort.parquet", "rows of data outside the folders of patients' data"),
        ("tables/table1.csv", "a small count of patients"),
    }
    assert all(isinstance(finding, Finding) and patient not in str(finding) for finding in found)


def manifest_of(copy: Copy) -> dict[str, dict[str, dict[str, object]]]:
    """Return the manifest, after checking it against the folder."""
    folder = copy.results / "release"
    manifest: dict[str, dict[str, dict[str, object]]] = json.loads(
        (folder / "manifest.json").read_text()
    )
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert there == {*manifest["files"], "manifest.json"}
    for name, entry in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
    return manifest


def test_a_release_has_only_tables_figures_and_pages(editable: Copy) -> None:
    editable.snakemake("release", "--cores", "1", *TINY)
    manifest = manifest_of(editable)
    assert set(manifest["files"]) == {*TARGETS, "config.json", "model_card.md"}
    assert manifest["rules"] == {"style": "cprd", "threshold": 5, "rounding": 1, "weights": False}
    assert "models" in manifest["withheld"]
    assert {"cohort", "sequences", "truth", "logs"} <= set(manifest["withheld"])
    assert not set(PATIENT_DATA) & {Path(name).parts[0] for name in manifest["files"]}
    diseases = pl.read_csv(editable.results / "tables" / "diseases.csv")
    hidden = diseases["positives"].null_count()
    assert manifest["files"]["tables/diseases.csv"]["counts_suppressed"] == hidden > 0


def test_weights_are_released_on_demand_without_rows_of_few_patients(editable: Copy) -> None:
    (editable.folder / "style.yaml").write_text("disclosure: {style: hes}\n")
    planned = editable.planned("release", *TINY, "style.yaml")
    assert {"table", "figure", "release"} <= planned
    assert not {"pretrain", "finetune"} & planned
    (editable.folder / "weights.yaml").write_text("disclosure: {weights: true}\n")
    done = editable.snakemake("release", "--cores", "2", *TINY, "weights.yaml")
    assert not re.search("Make the table|Draw the figure|Train|Pretrain", done.stdout)
    manifest = manifest_of(editable)
    released = {Path(name).parent.as_posix() for name in manifest["files"] if "models/" in name}
    folders = {"models/mlm", *(f"models/T2/{kind}" for kind in KINDS)}
    assert released == folders | {"models/mlm/bert", "models/T2/behrt/bert"}
    assert all(name in manifest["files"] for name in (f"{one}/trained.json" for one in folders))
    assert "models/T2/prevalence" in manifest["withheld"]

    words = json.loads((editable.results / "vocabulary.json").read_text())["phenotypes"]
    shards = (editable.results / "sequences").glob("*.parquet")
    histories = pl.concat([pl.read_parquet(shard) for shard in shards])
    patients = (
        histories.filter(pl.col("split") == "train")["code"].list.unique().explode().value_counts()
    )
    counts = dict(patients.drop_nulls().iter_rows())
    rare = [i for i in range(len(words)) if counts.get(i, 0) < 5]
    weights = load_file(editable.results / "release/models/mlm/model.safetensors")
    name = "models/mlm/model.safetensors"
    assert manifest["files"][name]["diseases_erased"] == [words[i] for i in rare]
    rows = weights["encoder.words.weight"][5:]
    assert [i for i in range(len(words)) if not rows[i].any()] == rare

    ages = weights["encoder.ages.weight"]
    trained = load_file(editable.results / "models/mlm/model.safetensors")["encoder.ages.weight"]
    visits = histories.filter(pl.col("split") == "train").select("subject_id", "visit_age")
    reached = visits.explode("visit_age").unique()["visit_age"].clip(upper_bound=len(ages) - 1)
    enough = np.flatnonzero(np.bincount(reached.drop_nulls(), minlength=len(ages)) >= 5)
    from_enough = {row.tobytes() for row in trained[enough].numpy()}
    assert len(ages) > len(enough) > 1
    assert {row.tobytes() for row in ages.numpy()} <= from_enough
    predict_as_the_workflow(editable.results)


def predict_as_the_workflow(results: Path) -> None:
    """Release models with the lowest limit, and compare their predictions with the run's own.

    They differ where no training patient had a disease or an age of the patient.
    """
    script("release").main(
        files=[],
        splits=results / "meds" / "metadata" / "subject_splits.parquet",
        sequences=sorted((results / "sequences").glob("*.parquet")),
        vocabulary=results / "vocabulary.json",
        tasks=[results / "tasks" / "T2.parquet"],
        weights=[
            results / "models" / name / "model.safetensors"
            for name in ("mlm", *(f"T2/{kind}" for kind in KINDS))
        ],
        recalibrations=[results / "assessment" / "T2" / "recalibration.json"],
        manifest=results / "least" / "manifest.json",
        settings=json.loads((results / "release" / "config.json").read_text()),
        disclosure={"threshold": 1, "rounding": 1},
    )
    files = json.loads((results / "least" / "manifest.json").read_text())["files"]
    at = prediction_times(results, "T2")
    for kind in KINDS:
        model = behrt.load(results / "least" / "models" / "T2" / kind)
        found = model.score(results / "meds", at, calibrated=False)
        scores = pl.read_parquet(results / "predictions" / "T2" / f"{kind}.parquet")
        both = found.rows.join(scores, on="subject_id", maintain_order="left")
        erased = files[f"models/T2/{kind}/model.safetensors"]["diseases_erased"]
        kept = ~np.isin(found.diseases, erased)
        far = np.abs(found.risks - both["scores"].to_numpy())[:, kept].max(axis=1)
        assert kept.sum() > 20
        assert model.predict(results / "meds", at)["probability"].is_between(0, 1).all()
        if kind != "forecast":  # its effects of pairs that no training patient had are erased
            assert np.mean(far < 1e-6) > 0.2
            assert np.median(far) < 1e-5
