import os
import zipfile
from pathlib import Path

import pytest

from behrt import contents
from behrt.contents import content_of


@pytest.fixture(autouse=True)
def forgotten() -> None:
    contents._content.cache_clear()


def again(*paths: Path) -> str | None:
    contents._content.cache_clear()
    return content_of(*paths)


def test_an_edit_in_a_folder_counts_although_its_date_stays(tmp_path: Path) -> None:
    listed = tmp_path / "lists" / "secondary_care" / "heart.csv"
    listed.parent.mkdir(parents=True)
    listed.write_text("I50\n")
    before, date = content_of(tmp_path / "lists"), listed.stat().st_mtime_ns
    listed.write_text("I51\n")
    os.utime(listed, ns=(date, date))
    assert again(tmp_path / "lists") != before
    listed.write_text("I50\n")
    assert again(tmp_path / "lists") == before


def test_a_large_text_counts_by_length_pieces_and_date(tmp_path: Path) -> None:
    path = tmp_path / "x_Extract_Clinical_001.txt"
    path.write_bytes(b"1\n" * 3 * 2**20)
    os.utime(path, ns=(10**18, 10**18))
    before = content_of(path)
    path.write_bytes(b"2\n" * 3 * 2**20)
    os.utime(path, ns=(10**18, 10**18))
    assert again(path) != before
    path.write_bytes(b"1\n" * 3 * 2**20)
    os.utime(path, ns=(10**18, 10**18))
    assert again(path) == before
    os.utime(path, ns=(10**17, 10**17))  # an older copy in its place
    assert again(path) != before


def test_a_large_zip_counts_by_its_members_whatever_its_date(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    seen = []
    for text in (b"\1", b"\2", b"\1"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.txt", text * 5 * 2**20)
        seen.append(again(path))
    assert seen[0] == seen[2] != seen[1]


def test_what_is_not_there_and_what_the_run_makes_count_as_little(tmp_path: Path) -> None:
    assert content_of(None, [], ["<results>/a.parquet"]) is None
    assert content_of(tmp_path / "nowhere") == content_of(str(tmp_path / "nowhere"), None)
