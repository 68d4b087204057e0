"""The rules that run again after an edit, and those that do not."""

import os
import re

import polars as pl
import pytest

from behrt.catalogue import FIGURE, TABLE, products
from behrt.provenance import Code

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

# Used by stages, by a page and a figure, and as data: by different rules, all with code of theirs.
MODULES = ["cprd/events.py", "evaluation/clusters.py", "simulation/diseases.csv"]
SIMULATED = ["simulation/diseases.csv", "simulation/risks.csv"]
SIMULATING = ["oracle", "oracle_records", "simulate_part", "simulate_world"]
EXTRAS = {
    kind: [f"behrt.{kind}s.{product.module}" for product in products() if product.kind == kind]
    for kind in (TABLE, FIGURE)
} | dict.fromkeys(SIMULATING, SIMULATED)


def changed(summary: pl.DataFrame) -> pl.DataFrame:
    return summary.filter(pl.col("status").str.contains("params changed", literal=True))


def test_a_second_run_does_nothing_even_if_code_is_touched(editable: Copy) -> None:
    for name in ("scripts", "src", "rules", "workflow", "envs", "config"):
        for path in (editable.folder / name).rglob("*"):
            os.utime(path)
    before = {p: p.stat().st_mtime_ns for p in editable.results.rglob("*")}
    done = editable.snakemake("--cores", "2", *TINY)
    assert "Nothing to be done" in done.stdout
    assert before == {p: p.stat().st_mtime_ns for p in editable.results.rglob("*")}


def test_an_edit_of_text_or_of_unused_code_reruns_nothing(editable: Copy) -> None:
    """Docstrings and comments of every module; in some, a function that nothing uses as well."""
    package = editable.folder / "src" / "behrt"
    extended = {"disclosure", "errors", "files", "vocabulary", "stage"}
    for path in package.rglob("*.py"):
        text = re.sub(r'^( +""")(?=[A-Z])', r"\1Here: ", path.read_text(), flags=re.MULTILINE)
        unused = "\n\ndef not_used():\n    return 1\n" if path.stem in extended else ""
        path.write_text(f"# A comment.\n\n\n{text}{unused}")
    summary = editable.summary(*TINY)
    assert set(summary["plan"]) == {"no update"}


def test_an_edit_reruns_the_rules_that_import_it(editable: Copy) -> None:
    package = editable.folder / "src" / "behrt"
    code = Code(package)
    expected = []
    for module in MODULES:
        with (package / module).open("a") as file:
            file.write("print()\n" if module.endswith(".py") else "\n")
        expected += [
            script.stem
            for script in (editable.folder / "scripts").glob("*.py")
            if package / module in code.files(script, *EXTRAS.get(script.stem, []))
        ]
    assert len(expected) == len(set(expected)) > 5, "a rule stands for two of the edits"
    summary = editable.summary(*TINY)
    assert set(changed(summary)["rule"]) == {*expected} & {*summary["rule"]}
    assert "no update" not in summary.filter(pl.col("rule").is_in(expected))["plan"]


def test_an_edit_or_a_parameter_reruns_what_uses_it_and_nothing_else(editable: Copy) -> None:
    """A model, a script, a table, a figure, a caption, and two parameters."""
    for edited in (
        "src/behrt/models/deepr.py",
        "scripts/ensemble.py",
        "src/behrt/tables/sex_specific.py",
        "src/behrt/figures/trends.py",
    ):
        with (editable.folder / edited).open("a") as file:
            file.write("print()\n")
    catalogue = editable.folder / "src" / "behrt" / "catalogue.toml"
    caption = catalogue.read_text().replace("Each mark is a disease", "A mark is a disease")
    catalogue.write_text(caption)
    (editable.folder / "config" / "mine.yaml").write_text(
        "evaluation: {decision_diseases: 4}\nmodels: {lightgbm_times: {settings: {trees: 4}}}\n"
    )
    summary = editable.summary(*TINY, "config/mine.yaml")
    whole_rules = pl.col("rule").is_in(["ensemble", "assess"])
    trained = [
        f"models/T2/{model}/{name}"
        for model in ("deepr", "lightgbm_times")
        for name in ("model.safetensors", "config.json", "metrics.jsonl")
    ]
    assert set(changed(summary)["path"]) == {
        *summary.filter(whole_rules)["path"],
        *trained,
        *("predictions/T2/deepr.parquet", "predictions/T2/lightgbm_times.parquet"),
        *("tables/sex_specific.csv", "report.html"),
        *("figures/trends.png", "figures/trends.svg"),
    }
    retrained = pl.col("path").str.starts_with("models/") & (pl.col("plan") != "no update")
    ensemble = [path for path in summary["path"] if path.startswith("models/T2/ensemble/")]
    assert set(summary.filter(retrained)["path"]) == {*trained, *ensemble}
