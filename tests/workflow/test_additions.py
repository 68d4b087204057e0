"""Additions by the diffs of CONTRIBUTING.md, in a copy in which config/test.yaml has run."""

import re
import shutil
import subprocess
import sys

import polars as pl
import pytest
import yaml

from .conftest import REPOSITORY, TINY, Copy

pytestmark = pytest.mark.workflow


def example(heading: str) -> str:
    """Return the diff of a section of CONTRIBUTING.md."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (diff,) = re.findall("```diff\n(.*?)```", section, re.S)
    # Markdown editors strip the blank that marks an empty line of context.
    return re.sub("^$", " ", diff.rstrip("\n"), flags=re.M) + "\n"


def apply(copy: Copy, diff: str) -> None:
    subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"], input=diff, text=True, cwd=copy.folder, check=True
    )


def test_a_table_and_a_figure_are_added_by_the_diffs_that_contributing_shows(
    editable: Copy,
) -> None:
    before = editable.contents()
    apply(editable, example("A new table"))
    apply(editable, example("A new figure"))
    made = ["tables/frequency.csv", "figures/frequency.png", "figures/frequency.svg"]
    editable.snakemake("--cores", "2", *TINY)
    after = editable.contents()
    assert {name for name in after if after[name] != before.get(name)} == {*made, "report.html"}
    table = pl.read_csv(editable.results / "tables" / "frequency.csv")
    assert not table["patients"].is_in([1, 2, 3, 4]).any()
    assert set(table["data"]) == {"simulated"}


def test_a_model_is_added_by_the_diff_that_contributing_shows(editable: Copy) -> None:
    """One file and one entry; a mistake in the entry is refused in the dry run."""
    apply(editable, example("A new model"))
    target = "results/test/evaluation/T2/age_group.parquet"
    for entry, refusal in (
        ("{settings: {year: 5}}", "age_group.settings: there is no key 'year'. Did you mean"),
        ("{kind: age_grup}", "age_group.kind: there is no kind 'age_grup'. Did you mean"),
    ):
        (editable.folder / "config" / "mine.yaml").write_text(
            f"more_models: {{age_group: {entry}}}"
        )
        done = editable.snakemake(
            target, "--dry-run", "--cores", "1", *TINY, "config/mine.yaml", fails=True
        )
        assert f"config, more_models.{refusal}" in done.stdout
    done = editable.snakemake(target, "--cores", "1", *TINY)
    assert done.stdout.count("Train age_group for T2") == 1
    assert done.stdout.count("Train ") == 1
    metrics = pl.read_parquet(editable.folder / target)
    assert metrics["auroc_all"].drop_nulls().mean() > 0.5
    # The tests are collected, and the schema, which lacks the model, passes as current.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [
            *command,
            str(REPOSITORY / "tests" / "test_config.py"),
            "-k",
            "current or kind or allowed",
        ],
        env={**editable.environment(), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=REPOSITORY,
        check=True,
    )


def test_a_task_is_added_by_the_diff_that_contributing_shows(editable: Copy) -> None:
    apply(editable, example("A new task"))
    models = ["behrt", "deepr", "lightgbm_times", "ensemble"]  # takes too long
    fewer = yaml.safe_dump(
        {"models": dict.fromkeys(models), "evaluation": {"reference": "forecast"}}
    )
    (editable.folder / "config" / "fewer.yaml").write_text(fewer)
    configured = (*TINY, "config/two_years.yaml", "config/fewer.yaml")
    names = ("table1", "population", "decision")
    tables = {name: editable.results / "tables" / f"{name}.csv" for name in names}
    targets = [f"results/test/{path.parent.name}/{path.name}" for path in tables.values()]
    done = editable.snakemake(*targets, "--cores", "2", *configured)
    trained = re.findall(r"Train (\w+) for (\w+)", done.stdout)
    once = [("forecast", task) for task in ("T2", "T4", "all")]
    assert sorted(trained) == [*once, ("history", "T4"), ("prevalence", "T4")]
    for path in tables.values():
        assert {"T2", "T4"} <= set(pl.read_csv(path)["task"])
    drawn = [
        set(pl.read_parquet(editable.results / "tasks" / f"{task}.parquet")["subject_id"])
        for task in ("T4", "T2")
    ]
    assert set() < drawn[0] < drawn[1]
    planned = editable.snakemake("paper", "--dry-run", "--cores", "1", *configured[:-1]).stdout
    assert "Train behrt for T4_all" in planned


def test_a_layout_is_added_by_the_diff_that_contributing_shows(clean: Copy) -> None:
    tests = clean.folder / "tests" / "cprd"
    shutil.copytree(REPOSITORY / "tests" / "cprd", tests)
    apply(clean, example("A new layout"))
    chosen = "every_generation or (every_table and 2026)"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(tests / "test_layouts.py"), "-k", chosen],
        env={**clean.environment(), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=clean.folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout
