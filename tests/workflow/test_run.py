"""A whole run, from raw text to tables, figures and report; and parts of one."""

import json
import re
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
MODELS = ["behrt", "deepr", "forecast", "lightgbm_times", "ensemble", "prevalence", "history"]


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


def test_requests_are_compared_with_measures_without_a_rerun(editable: Copy) -> None:
    timings = editable.results / "benchmarks"
    (timings / "meds.jsonl").unlink()
    (timings / "pretrain" / "mlm.jsonl").unlink()
    (timings / "finetune" / "T2" / "removed.jsonl").write_bytes(
        (timings / "finetune" / "T2" / "prevalence.jsonl").read_bytes()
    )
    before = editable.contents()
    done = editable.snakemake(
        "resources", "--cores", "1", *TINY, "--config", "planned_patients=6000"
    )
    assert "Without a measure: 2 jobs." in done.stdout
    assert "for 6,000 patients, 2.0 times those of this run" in done.stdout
    table = pl.read_csv(editable.results / "resources.csv")
    assert set(table["rule"]) == {path.relative_to(timings).parts[0] for path in jobs_of(timings)}
    assert table.filter(pl.col("advised_gb").is_null()).is_empty()
    trained = table.row(by_predicate=pl.col("rule") == "finetune", named=True)
    assert trained["jobs"] == len([*(timings / "finetune").rglob("*.jsonl")])
    assert 0.05 < trained["measured_gb"] < trained["asked_gb"] < 4
    made = editable.contents()
    assert {name for name in made if made[name] != before.get(name)} == {"resources.csv"}


def jobs_of(timings: Path) -> list[Path]:
    return [path.with_suffix("") for path in timings.rglob("*.jsonl")]


def logged(copy: Copy) -> list[Path]:
    return [*(copy.results / "logs").rglob("*.log")]


def test_no_log_has_a_patient(tiny: Copy) -> None:
    cohort = pl.read_parquet(tiny.results / "cohort" / "cohort.parquet")
    patients = {str(patient) for patient in cohort["subject_id"]}
    for path in [*logged(tiny), *(tiny.results / "tables").glob("*.csv")]:
        words = set(path.read_text().replace(",", " ").replace(":", " ").split())
        long = {word for word in words & patients if len(word) > 4}
        assert not long, path.name


def test_one_core_or_two_make_the_same_bytes(tiny: Copy, clean: Copy) -> None:
    """From the delivery to scores and to the products that are expensive to compute.

    Other models are trained again, to the same bytes, on a cluster.
    """
    targets = [f"evaluation/T2/{model}.parquet" for model in ("ensemble", "history")]
    targets += [f"tables/{table}.csv" for table in ("population", "neighbour_overlap")]
    targets += [f"figures/{figure}.svg" for figure in ("embedding_map", "example_patient")]
    clean.snakemake(*(f"results/test/{target}" for target in targets), "--cores", "1", *TINY)
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


def test_a_mistake_in_the_config_is_named(clean: Copy) -> None:
    (clean.folder / "config" / "typo.yaml").write_text("split:\n  held_ou: 0.1\n")
    done = clean.snakemake("-n", "--cores", "1", "--configfile", "config/typo.yaml", fails=True)
    assert "config, split: there is no key 'held_ou'. Did you mean 'held_out'." in done.stdout
    assert "Traceback" not in done.stdout
