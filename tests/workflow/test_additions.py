"""Additions by the diffs of CONTRIBUTING.md, in a copy in which config/test.yaml has run."""

import re
import subprocess

import polars as pl
import pytest

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
    planned = editable.snakemake("--dry-run", "--cores", "1", *TINY).stdout
    assert "Make the table frequency" in planned
    assert "Draw the figure frequency" in planned
    assert "Write report.html" in planned
    editable.snakemake("results/test/figures/frequency.svg", "--cores", "2", *TINY)
    after = editable.contents()
    assert {name for name in after if after[name] != before.get(name)} == {*made}
    table = pl.read_csv(editable.results / "tables" / "frequency.csv")
    assert table["patients"].drop_nulls().min() >= 5
    assert set(table["data"]) == {"simulated"}
