"""The hashes of the files of a finished run, and the page of its time and memory.

docs/checksums/ has the hashes and scores of two runs. `make checksums` makes them again.
"""

import platform
import re
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from behrt.checksums import differences, read_checksums, same_on_every_processor

from .conftest import REPOSITORY, TINY, Copy

pytestmark = pytest.mark.workflow

PUBLISHED = REPOSITORY / "docs" / "checksums"
TOLERANCE = 0.001
"""How far a score may be from the published one; docs/reproducibility.md states it, too."""

AGAIN = "If the change is intended, run `make checksums` and commit docs/checksums"


@pytest.fixture(scope="module")
def described(tiny: Copy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, str]:
    """A finished run with its checksums and its performance page, and what Snakemake printed."""
    copy = tiny.copy(tmp_path_factory.mktemp("described") / "copy")
    return copy, copy.snakemake("checksums", "performance", "--cores", "1", *TINY).stdout


def test_hashes_and_performance_are_written_without_running_anything_else(
    tiny: Copy, described: tuple[Copy, str]
) -> None:
    copy, printed = described
    assert len(re.findall(r"^\[ *\d+ %\]", printed, re.MULTILINE)) == 2, printed
    found = read_checksums(copy.results / "checksums.csv")
    assert {each.path: each.sha256 for each in found} == tiny.contents()
    assert sum(each.bytes for each in found) > 10_000_000


def test_the_performance_page_has_every_stage_that_ran(described: tuple[Copy, str]) -> None:
    copy, _ = described
    page = (copy.results / "performance.html").read_text()
    rows = re.findall(r'<tr><th scope="row">(\w+)</th><td>([\d,]+)</td>', page)
    stages = {stage: int(jobs) for stage, jobs in rows}
    assert {"simulate", "extract", "cohort", "pretrain", "finetune", "figures"} <= set(stages)
    assert "other" not in stages
    assert stages["pretrain"] == 1
    assert "1,600,000 patients" in page
    assert str(copy.folder) not in page


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the published hashes are those of Linux on x86-64",
)
def test_the_files_that_no_training_made_have_the_published_hashes(
    described: tuple[Copy, str],
) -> None:
    copy, _ = described
    published = read_checksums(PUBLISHED / "test" / "checksums.csv")
    different = differences(read_checksums(copy.results / "checksums.csv"), published)
    assert different.missing == different.added == [], AGAIN
    assert [path for path in different.changed if same_on_every_processor(path)] == [], AGAIN


def test_scores_are_near_the_published_ones(tiny: Copy) -> None:
    for name in ("table1.csv", "table2.csv"):
        ours, theirs = (
            pl.read_csv(folder / name, infer_schema_length=None)
            for folder in (tiny.results / "tables", PUBLISHED / "test")
        )
        assert_frame_equal(ours, theirs, rel_tol=0, abs_tol=TOLERANCE)


@pytest.mark.parametrize("run", ["test", "demo"])
def test_published_lists_are_whole(run: str) -> None:
    paths = [each.path for each in read_checksums(PUBLISHED / run / "checksums.csv")]
    assert paths == sorted(paths, key=lambda path: Path(path).parts)
    assert {"report.html", "tables/table1.csv", "models/mlm/model.safetensors"} <= set(paths)
