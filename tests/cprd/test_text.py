import io
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.cprd import container
from behrt.cprd.container import LONGEST_LINE, Text, open_text
from behrt.cprd.text import as_utf8, batches, split_columns
from behrt.errors import InputError


@given(
    lines=st.lists(st.text("ab\t", max_size=9), max_size=9),
    size=st.integers(1, 30),
    ended=st.booleans(),
)
def test_batches_are_the_text_in_whole_lines(lines: list[str], size: int, ended: bool) -> None:
    text = "\n".join(lines).encode() + (b"\n" if ended else b"")
    cut = list(batches(Text("f", io.BytesIO(text), len(text)), size))
    assert b"".join(cut) == text
    assert all(batch.endswith(b"\n") for batch in cut[:-1])


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_columns_are_split_without_quoting(end: bytes) -> None:
    lines = [b'1\t"a\\\tx', b"2\t  \ty", b"3\tb\t", b"4\t\xe9\tz "]
    rows = split_columns(end.join(lines) + end, ["p", "q", "r"], ["r", "q"])
    assert rows.surplus is rows.damaged is rows.lines is None
    frame = rows.columns
    assert frame["r"].to_list() == ["x", "y", None, "z"]
    assert frame["q"].to_list()[:3] == ['"a\\', None, "b"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_short_and_long_lines_are_measured_and_blank_lines_left_out(end: bytes) -> None:
    lines = [b"", b"1", b"2\tb", b"", b"3\tb\tc", b"4\tb\tc\td\te", b"\t\t", b""]
    rows = split_columns(end.join(lines) + end, ["p", "q", "r"], ["p", "r"])
    assert rows.surplus is not None
    assert rows.lines is not None
    assert rows.surplus.to_list() == [-2, -1, 0, 2, 0]
    assert rows.lines.to_list() == [1, 2, 4, 5, 6]
    frame = rows.columns
    assert frame["p"].to_list() == ["1", "2", "3", "4", None]
    assert frame["r"].to_list() == [None, None, "c", "c", None]


@pytest.mark.parametrize("first", [b"1\ta\tb\tsurplus", b"1"])
def test_the_first_line_may_be_the_odd_one(first: bytes) -> None:
    rows = split_columns(first + b"\n2\ta\tb\n", ["p", "q", "r"], ["p", "r"])
    assert rows.columns["p"].to_list() == ["1", "2"]
    assert rows.surplus is not None
    assert rows.surplus.to_list() == [first.count(b"\t") - 2, 0]


def test_a_zip_member_streams(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("in/x.txt", b"abc")
    with open_text(path, "in/x.txt") as text:
        assert (text.read(9), text.size) == (b"abc", 3)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("x.txt", b"a" * 1000)
    content = bytearray(path.read_bytes())
    content[500] = ord("b")
    path.write_bytes(content)
    with (
        pytest.raises(InputError, match=r"x\.zip: it is damaged"),
        open_text(path, "x.txt") as text,
    ):
        text.read(2000)


CONTENT = "".join(f"{number * 7919 % 10007}\t{number % 13}\r\n" for number in range(9000)).encode()


def _unpacked(path: Path, member: str, size: int) -> bytes:
    with open_text(path, member) as text:
        return text.line() + b"".join(iter(lambda: text.read(size), b""))


@pytest.mark.parametrize("library", [container.inflating, zlib])
@pytest.mark.parametrize("content", [b"", b"a\n", CONTENT])
@pytest.mark.parametrize("size", [1000, 10**6])
def test_deflated_text_is_unpacked_by_either_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any, content: bytes, size: int
) -> None:
    monkeypatch.setattr(container, "inflating", library)
    path = tmp_path / "x.zip"
    path.write_bytes(b"before the archive")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.txt", b"other" * 99)
        archive.writestr("x.txt", content)
    assert _unpacked(path, "x.txt", size) == content


@pytest.mark.parametrize("library", [container.inflating, zlib])
def test_a_zip_with_any_damage_is_refused_or_gives_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    monkeypatch.setattr(container, "inflating", library)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.txt", CONTENT)
    whole = path.read_bytes()

    @settings(max_examples=60)
    @given(place=st.integers(0, len(whole) - 1), value=st.integers(0, 255), cut=st.booleans())
    def damage(place: int, value: int, cut: bool) -> None:
        content = whole[:place] + (
            whole[place + 9 :] if cut else bytes([value]) + whole[place + 1 :]
        )
        path.write_bytes(content)
        with suppress(InputError):
            assert _unpacked(path, "x.txt", 4000) == CONTENT

    damage()


def test_lines_with_nul_bytes_are_found() -> None:
    rows = split_columns(b"1\ta\n2\t\0\n", ["p", "q"], ["p", "q"])
    assert rows.damaged is not None
    assert rows.damaged.to_list() == [False, True]


@pytest.mark.parametrize("size", [1, 100, LONGEST_LINE, 4 * LONGEST_LINE])
@pytest.mark.parametrize("before", [b"", b"1\n" * 50])
@pytest.mark.parametrize("after", [b"", b"\n", b"\n1\n"])
def test_a_line_is_too_long_wherever_batches_end(size: int, before: bytes, after: bytes) -> None:
    def cut(length: int) -> bytes:
        text = before + b"x" * length + after
        return b"".join(batches(Text("f", io.BytesIO(text), len(text)), size))

    assert len(cut(LONGEST_LINE)) >= LONGEST_LINE
    with pytest.raises(InputError, match="a line is longer than"):
        cut(LONGEST_LINE + 1)


def test_a_line_that_is_not_utf8_is_cp1252_unless_told_otherwise() -> None:
    text = "1\tMénière\n2\tβ\n".encode() + b"3\tM\xe9ni\xe8re \x93q\x94\n"
    read, other = as_utf8(text, None)
    assert read.decode() == "1\tMénière\n2\tβ\n3\tMénière “q”\n"
    assert other == 1
    assert as_utf8(text, "utf-8") == (text, 0)
    assert as_utf8(b"1\t\xe9\n", "cp1252") == ("1\té\n".encode(), 1)
    assert as_utf8("é\n".encode(), "cp1252") == ("Ã©\n".encode(), 1)
