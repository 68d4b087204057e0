"""A whole run, from raw text to tables, figures and report; and parts of one."""

import base64
import json
import os
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest

from behrt.catalogue import TABLE, products
from behrt.cprd.delivery import find_parts
from behrt.simulation.paths import simulated_parts

from .conftest import REPOSITORY, TINY, Copy

pytestmark = pytest.mark.workflow

TABLES = {"cohort_flow", "population", "table1", "table2", "diseases", "neighbours"}
TABLES |= {"neighbour_overlap", "sex_specific", "sex_agnostic_codes", "disease_differences"}
TABLES |= {"training"}
FIGURES = {"cohort_flow", "example_patient", "embedding_map", "diseases", "attention"}
FIGURES |= {"sex_specific", "disease_differences", "trends", "training"}
ASSESSED = {"calibration", "decision", "subgroups"}
TABLES |= {"metrics", "reliability"} | ASSESSED
FIGURES |= ASSESSED
TARGETS = {f"tables/{name}.csv" for name in TABLES} | {
    f"figures/{name}.{form}" for name in FIGURES for form in ("png", "svg")
}
TARGETS |= {"report.html", "model_card.md", "figures/explorer.html", "figures/embedding_map.html"}
MODELS = ["behrt", "behrt_mask", "deepr", "forecast", "lightgbm"]
MODELS += ["lightgbm_times", "ensemble", "prevalence", "history"]


def test_a_run_makes_every_table_and_figure(tiny: Copy) -> None:
    made = set(tiny.contents())
    assert made >= TARGETS
    table = pl.read_csv(tiny.results / "tables" / "table1.csv")
    assert set(table["model"]) == {*MODELS, "oracle_records", "oracle"}
    assert set(table["data"]) == {"simulated"}
    assert set(table["protocol"]) == {"strict"}


def test_the_documentation_names_the_columns_of_every_table(tiny: Copy) -> None:
    from generated.outputs import (
        columns_of,
    )  # of docs/; imports Sphinx, which no other test here needs

    for product in products():
        path = tiny.results / "tables" / f"{product.name}.csv"
        if product.kind == TABLE and path.exists():
            words = set(re.findall(r"\w+", " ".join(columns_of(product.module))))
            for column in pl.read_csv(path, n_rows=0).columns:
                plain = re.sub("(_share)?(_low|_high)?$", "", column)
                of_each = column.partition("_")[0] + "_"  # "aps_<name>"
                assert words & {column, plain, of_each}, (product.name, column)


def test_the_documentation_names_the_columns_of_files(tiny: Copy) -> None:
    from generated.code import schema

    page = (REPOSITORY / "docs" / "files.md").read_text(encoding="utf-8")
    pairs = re.findall(r"^### `(\S+)`\n\n<!-- generated: schema (\S+) -->", page, re.M)
    found = {
        path: described
        for name, described in pairs
        for path in list(tiny.results.glob(re.sub(r"<[^>]+>", "*", name)))[:1]
    }
    assert len(found) > 10
    for path, described in found.items():
        columns = re.findall(r"^\| `(\w+)`", schema(described), re.M)
        assert {*columns} <= {*pl.read_parquet_schema(path)} <= {*columns, "model"}, path.name


def test_the_simulated_delivery_is_found_like_a_licensed_one(tiny: Copy) -> None:
    folder = tiny.results / "delivery"
    assert find_parts(folder) == simulated_parts(folder, 2)


def test_only_the_user_can_read_what_a_run_writes(tiny: Copy) -> None:
    made = [tiny.folder / "results", *(tiny.folder / "results").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}


def test_no_artefact_has_a_path_or_a_time(tiny: Copy) -> None:
    for name in tiny.contents():
        path = tiny.results / name
        if path.suffix in (".json", ".jsonl", ".csv", ".svg", ".html"):
            text = path.read_text()
            assert str(tiny.folder) not in text, name
            assert "/tmp" not in text, name
    for metrics in (tiny.results / "models").rglob("metrics.jsonl"):
        for line in metrics.read_text().splitlines():
            assert not {"time", "seconds", "date"} & set(json.loads(line)), metrics


def test_every_job_leaves_a_log_and_a_benchmark(tiny: Copy) -> None:
    logs = {path.relative_to(tiny.results / "logs").with_suffix("") for path in logged(tiny)}
    timed = (tiny.results / "benchmarks").rglob("*.jsonl")
    assert logs == {path.relative_to(tiny.results / "benchmarks").with_suffix("") for path in timed}
    for path in logged(tiny):
        assert path.read_text().strip(), f"{path.name} is empty"


def logged(copy: Copy) -> list[Path]:
    return [*(copy.results / "logs").rglob("*.log")]


def test_no_log_has_a_patient(tiny: Copy) -> None:
    cohort = pl.read_parquet(tiny.results / "cohort" / "cohort.parquet")
    patients = {str(patient) for patient in cohort["subject_id"]}
    for path in [*logged(tiny), *(tiny.results / "tables").glob("*.csv")]:
        words = set(path.read_text().replace(",", " ").replace(":", " ").split())
        long = {word for word in words & patients if len(word) > 4}
        assert not long, path.name


def test_a_second_run_does_nothing(editable: Copy) -> None:
    before = {p: p.stat().st_mtime_ns for p in editable.results.rglob("*")}
    done = editable.snakemake("--cores", "2", *TINY)
    assert "Nothing to be done" in done.stdout
    assert before == {p: p.stat().st_mtime_ns for p in editable.results.rglob("*")}


def test_one_core_or_two_make_the_same_bytes(tiny: Copy, clean: Copy) -> None:
    """For one task, one model of each kind, and the products that are expensive to compute."""
    models = ["behrt", "deepr", "forecast", "ensemble", "history"]
    targets = [f"results/test/evaluation/T2/{model}.parquet" for model in models]
    tables = ["population", "neighbour_overlap", "sex_agnostic_codes"]
    targets += [f"results/test/tables/{table}.csv" for table in tables]
    figures = ["embedding_map.svg", "embedding_map.html", "example_patient.svg"]
    targets += [f"results/test/figures/{figure}" for figure in figures]
    clean.snakemake(*targets, "--cores", "1", *TINY)
    one, two = clean.contents(), tiny.contents()
    assert len(one) > 60
    assert [name for name in one if one[name] != two[name]] == []


def test_a_single_target_plans_only_what_it_needs(sources: Copy) -> None:
    planned = sources.planned("results/test/figures/cohort_flow.png", *TINY)
    assert {"simulate_part", "cohort", "figure"} <= planned
    assert not {"events", "task", "pretrain"} & planned
    planned = sources.planned("results/test/figures/embedding_map.png", *TINY)
    assert "pretrain" in planned
    assert not {"task", "finetune"} & planned


def test_the_report_has_the_targets_and_nothing_else(tiny: Copy, tmp_path: Path) -> None:
    offline = dict.fromkeys(["http_proxy", "https_proxy", "all_proxy"], "http://127.0.0.1:9")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in offline.items():
            patch.setenv(name, value)
            patch.setenv(name.upper(), value)
        tiny.snakemake("--report", str(tmp_path / "report.zip"), *TINY)
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        data = [Path(name).name for name in archive.namelist() if "/data/" in name]
    assert sorted(name for name in data if name) == sorted(Path(name).name for name in TARGETS)


def test_a_name_reaches_the_report_as_data(editable: Copy, tmp_path: Path) -> None:
    table = editable.results / "tables" / "diseases.csv"
    when = table.stat()
    name = pl.read_csv(table)["disease"][0]
    table.write_text(table.read_text().replace(name, "<script>alert(1)</script>"))
    os.utime(table, ns=(when.st_atime_ns, when.st_mtime_ns))
    editable.snakemake("--report", str(tmp_path / "report.html"), *TINY)
    page = (tmp_path / "report.html").read_text()
    assert all(f"results/test/{target}" in page for target in TARGETS)
    assert len(page) < 50e6
    assert base64.b64encode(table.read_bytes()).decode() in page
    assert "alert(1)" not in page


def test_a_mistake_in_the_config_is_named(clean: Copy) -> None:
    (clean.folder / "config" / "typo.yaml").write_text("split:\n  held_ou: 0.1\n")
    done = clean.snakemake("-n", "--cores", "1", "--configfile", "config/typo.yaml", fails=True)
    assert "config, split: there is no key 'held_ou'. Did you mean 'held_out'." in done.stdout
    assert "Traceback" not in done.stdout
