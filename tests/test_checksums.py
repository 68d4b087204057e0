"""The list of hashes of a run, and how two lists are compared."""

import hashlib
from pathlib import Path

import pytest

from behrt.checksums import (
    Checksum,
    Differences,
    artefacts,
    checksums,
    differences,
    main,
    read_checksums,
    same_on_every_processor,
    state,
    write_checksums,
)
from behrt.errors import InputError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two files, and every kind of file that is left out."""
    folder = tmp_path / "run"
    for name in (
        "tables/table1.csv",
        "vocabulary.json",
        "logs/cohort.log",
        "benchmarks/cohort.jsonl",
        "performance.html",
        "provenance.html",
        "resources.csv",
        "checksums.csv",
        "trained/T2/behrt/.snakemake_timestamp",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_files_are_listed_in_order_without_those_that_hold_times(run: Path) -> None:
    assert artefacts(run) == [Path("tables/table1.csv"), Path("vocabulary.json")]
    (table, vocabulary) = checksums(run)
    assert table == Checksum(
        "tables/table1.csv", 17, hashlib.sha256(b"tables/table1.csv").hexdigest()
    )
    assert vocabulary.bytes == 15


def test_a_written_list_is_read_again(run: Path, tmp_path: Path) -> None:
    write_checksums(checksums(run), tmp_path / "list.csv")
    assert read_checksums(tmp_path / "list.csv") == checksums(run)
    assert (tmp_path / "list.csv").read_text().splitlines()[0] == "path,bytes,sha256"


def test_a_file_that_is_not_a_list_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vocabulary\.json: it is not a list of checksums"):
        read_checksums(run / "vocabulary.json")
    with pytest.raises(InputError, match="there is no such folder"):
        checksums(tmp_path / "nothing")


def test_differences_are_what_is_missing_added_or_changed() -> None:
    one = [Checksum("a", 1, "1"), Checksum("b", 1, "2"), Checksum("c", 1, "3")]
    two = [Checksum("b", 1, "2"), Checksum("c", 1, "4"), Checksum("d", 1, "5")]
    assert differences(two, one) == Differences(missing=["a"], added=["d"], changed=["c"])
    assert differences(one, one) == Differences([], [], [])


def test_the_command_reports_what_differs(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run)]) == 0
    assert capsys.readouterr().out.count("\n") == 2
    write_checksums(checksums(run), tmp_path / "list.csv")
    assert main([str(run), "--against", str(tmp_path / "list.csv")]) == 0
    assert capsys.readouterr().out == "2 of 2 files are the same.\n"
    (run / "tables" / "table1.csv").write_text("other")
    (run / "vocabulary.json").unlink()
    assert main([str(run), "--against", str(tmp_path / "list.csv")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "missing  vocabulary.json",
        "changed  tables/table1.csv  (depends on the processor)",
        "0 of 2 files are the same.",
    ]
    assert main([str(tmp_path / "nothing")]) == 1


def test_a_changed_file_changes_the_state(run: Path) -> None:
    before = state(run)
    (run / "logs" / "cohort.log").write_text("longer than it was")
    assert state(run) == before
    (run / "tables" / "table1.csv").write_text("longer than it was")
    assert state(run) != before


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("meds/data/00.parquet", True),
        ("vocabulary.json", True),
        ("tables/cohort_flow.csv", True),
        ("figures/cohort_flow.svg", True),
        ("tables/table1.csv", False),
        ("figures/trends.png", False),
        ("models/mlm/model.safetensors", False),
        ("report.html", False),
    ],
)
def test_what_no_training_has_made_is_the_same_on_every_processor(path: str, same: bool) -> None:
    assert same_on_every_processor(path) == same
