import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.cprd.text import batches, open_text, split_columns
from behrt.errors import InputError


@given(
    lines=st.lists(st.text("ab\t", max_size=9), max_size=9),
    size=st.integers(1, 30),
    ended=st.booleans(),
)
def test_batches_are_the_text_in_whole_lines(lines: list[str], size: int, ended: bool) -> None:
    text = "\n".join(lines).encode() + (b"\n" if ended else b"")
    cut = list(batches(io.BytesIO(text), size))
    assert b"".join(cut) == text
    assert all(batch.endswith(b"\n") for batch in cut[:-1])


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_columns_are_split_without_quoting(end: bytes) -> None:
    lines = [b'1\t"a\\\tx', b"2\t  \ty", b"3\tb\t", b"4\t\xe9\tz "]
    frame, surplus = split_columns(end.join(lines) + end, ["p", "q", "r"], ["r", "q"])
    assert surplus is None
    assert frame["r"].to_list() == ["x", "y", None, "z"]
    assert frame["q"].to_list()[:3] == ['"a\\', None, "b"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_short_and_long_lines_are_measured_and_blank_lines_left_out(end: bytes) -> None:
    lines = [b"", b"1", b"2\tb", b"", b"3\tb\tc", b"4\tb\tc\td\te", b"\t\t", b""]
    frame, surplus = split_columns(end.join(lines) + end, ["p", "q", "r"], ["p", "r"])
    assert surplus is not None
    assert surplus.to_list() == [-2, -1, 0, 2, 0]
    assert frame["p"].to_list() == ["1", "2", "3", "4", None]
    assert frame["r"].to_list() == [None, None, "c", "c", None]


@pytest.mark.parametrize("first", [b"1\ta\tb\tsurplus", b"1"])
def test_the_first_line_may_be_the_odd_one(first: bytes) -> None:
    frame, surplus = split_columns(first + b"\n2\ta\tb\n", ["p", "q", "r"], ["p", "r"])
    assert frame["p"].to_list() == ["1", "2"]
    assert surplus is not None
    assert surplus.to_list() == [first.count(b"\t") - 2, 0]


def test_a_zip_member_streams(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("in/x.txt", b"abc")
    with open_text(path, "in/x.txt") as (stream, size):
        assert (stream.read(), size) == (b"abc", 3)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("x.txt", b"a" * 1000)
    content = bytearray(path.read_bytes())
    content[500] = ord("b")
    path.write_bytes(content)
    with pytest.raises(InputError, match="the zip is damaged"), open_text(path, "x.txt") as (s, _):
        s.read()
