"""The rules that run again after an edit, and those that do not."""

import os
import re
from pathlib import Path

import pytest

from behrt.catalogue import FIGURE, TABLE, products
from behrt.provenance import Code

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow

# Used by several rules, through a folder whose modules are loaded by name, and as data.
MODULES = ["evaluation/metrics.py", "models/deepr.py", "simulation/diseases.csv"]
KINDS = ("behrt", "deepr", "forecast", "history")
EXTRAS = {
    kind: [f"behrt.{kind}s.{product.module}" for product in products() if product.kind == kind]
    for kind in (TABLE, FIGURE)
} | {
    "oracle": ["simulation/diseases.csv", "simulation/risks.csv"],
    "oracle_records": ["simulation/diseases.csv", "simulation/risks.csv"],
    "simulate_world": ["simulation/diseases.csv", "simulation/risks.csv"],
    "simulate_part": ["simulation/diseases.csv", "simulation/risks.csv"],
    "pretrain": ["behrt.models.behrt"],
    "joint": ["behrt.models.forecast"],
    "finetune": [f"behrt.models.{name}" for name in KINDS],
    "predict": [f"behrt.models.{name}" for name in KINDS],
}


def test_touching_code_reruns_nothing(editable: Copy) -> None:
    for name in ("scripts", "src", "rules", "workflow", "envs", "config"):
        for path in (editable.folder / name).rglob("*"):
            os.utime(path)
    assert "Nothing to be done" in editable.snakemake("--dry-run", "--cores", "1", *TINY).stdout


@pytest.fixture(scope="module")
def edited(tiny: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy in which config/test.yaml has run; a test that edits it restores it."""
    return tiny.copy(tmp_path_factory.mktemp("edited") / "copy")


def test_an_edit_of_text_or_of_unused_code_reruns_nothing(edited: Copy) -> None:
    """Docstrings and comments of every module; then, in some, a function that nothing uses."""
    package = edited.folder / "src" / "behrt"
    originals = {path: path.read_text() for path in package.rglob("*.py")}
    try:
        for path, text in originals.items():
            documented = re.sub(r'^( +""")(?=[A-Z])', r"\1Here: ", text, flags=re.MULTILINE)
            path.write_text(f"# A comment.\n\n\n{documented}")
        texts = edited.summary(*TINY)
        for path, text in originals.items():
            path.write_text(text)
            path.write_text(text)
        for name in ("disclosure", "errors", "files", "sequences/vocabulary", "stage"):
            with (package / f"{name}.py").open("a") as file:
                file.write("\n\ndef not_used():\n    return 1\n")
        unused = edited.summary(*TINY)
    finally:
        for path, text in originals.items():
            path.write_text(text)
    for rules in (texts, unused):
        assert [name for name, found in rules.items() if found["plan"] != {"no update"}] == []


@pytest.mark.parametrize("module", MODULES)
def test_an_edit_reruns_the_rules_that_import_it(edited: Copy, module: str) -> None:
    path = edited.folder / "src" / "behrt" / module
    before = path.read_bytes()
    path.write_bytes(before + (b"print()\n" if path.suffix == ".py" else b"\n"))
    try:
        rules = edited.summary(*TINY)
    finally:
        path.write_bytes(before)
    package = edited.folder / "src" / "behrt"
    code = Code(package)
    expected = {
        rule
        for rule in rules
        if package / module
        in code.files(edited.folder / "scripts" / f"{rule}.py", *EXTRAS.get(rule, []))
    }
    assert expected, f"no rule imports {module}"
    assert {
        rule for rule, found in rules.items() if "params changed" in found["status"]
    } == expected
    assert all(rules[rule]["plan"] != {"no update"} for rule in expected)


def test_an_edited_model_trains_again_and_no_other(editable: Copy) -> None:
    with (editable.folder / "src" / "behrt" / "models" / "deepr.py").open("a") as file:
        file.write("print()\n")
    planned = editable.snakemake("--dry-run", "--cores", "1", *TINY).stdout
    assert "Train deepr for T1" in planned
    for other in ("behrt", "behrt_mask", "forecast", "prevalence", "history"):
        assert f"Train {other} for" not in planned
    assert "Pretrain" not in planned


def test_an_edited_script_runs_again(editable: Copy) -> None:
    with (editable.folder / "scripts" / "evaluate.py").open("a") as file:
        file.write("print()\n")
    rules = editable.summary(*TINY)
    assert {r for r, found in rules.items() if "params changed" in found["status"]} == {"evaluate"}


def planned(copy: Copy) -> set[str]:
    """Return the products that are planned, by kind and name, and the pages."""
    done = copy.snakemake("--dry-run", "--cores", "1", *TINY)
    return set(
        re.findall(r"(?:Make the (table \w+)|Draw the (figure \w+)|Write (.+))$", done.stdout, re.M)
    )


def test_an_edited_table_or_figure_is_made_again_and_no_other(editable: Copy) -> None:
    for kind, name in ((TABLE, "sex_specific"), (FIGURE, "trends")):
        with (editable.folder / "src" / "behrt" / f"{kind}s" / f"{name}.py").open("a") as file:
            file.write("print()\n")
    assert {"".join(found) for found in planned(editable)} == {
        *("table sex_specific", "figure sex_specific", "figure trends", "report.html")
    }


def test_an_edited_caption_writes_the_results_page_again_and_nothing_else(editable: Copy) -> None:
    path = editable.folder / "src" / "behrt" / "catalogue.toml"
    path.write_text(path.read_text().replace("Each mark is a disease", "A mark is a disease"))
    assert {"".join(found) for found in planned(editable)} == {"report.html"}


def test_a_changed_parameter_reruns_what_uses_it(editable: Copy) -> None:
    path = editable.folder / "config" / "test.yaml"
    path.write_text(path.read_text() + "\nexamples:\n  minimum_visits: 5\n")
    rules = editable.summary(*TINY)
    changed = {rule for rule, found in rules.items() if "params changed" in found["status"]}
    assert changed == {"task", "finetune"}  # models with `cuts` draw further examples
    assert rules["pretrain"]["plan"] == {"no update"}


def test_code_lists_given_in_a_folder_are_watched(editable: Copy, tmp_path: Path) -> None:
    """Simulated lists serve as given ones."""
    given = tmp_path / "lists"
    (editable.results / "caliber").rename(given)
    (editable.folder / "config" / "lists.yaml").write_text(f"run: lists\ncaliber: {given}\n")
    arguments = ("--configfile", "config/test.yaml", "config/lists.yaml")
    target = "results/lists/phenotypes/icd.parquet"
    editable.snakemake(target, "--cores", "1", *arguments)
    again = editable.snakemake(target, "--dry-run", "--cores", "1", *arguments)
    assert "Nothing to be done" in again.stdout
