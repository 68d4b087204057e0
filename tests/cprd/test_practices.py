from pathlib import Path

import polars as pl
import pytest

from behrt.cprd.practices import (
    not_merged,
    practice_digits,
    read_merged,
    require_practices,
    with_practice,
)
from behrt.errors import InputError


@pytest.mark.parametrize(
    ("patids", "pracids", "digits"),
    [
        ([120001, 220001, 320002], [20001, 20002], 5),
        ([4567001, 4567002], [1, 2], 3),
        ([45671000], [1000], 3),
        ([], [20001], 5),
        ([*range(120001, 10020001, 100000), 7], [20001], 5),
    ],
)
def test_practice_digits_are_found_out(patids: list[int], pracids: list[int], digits: int) -> None:
    frame = pl.LazyFrame({"patid": patids}, schema={"patid": pl.Int64})
    assert practice_digits(frame, pl.Series(pracids)) == digits


def test_patients_of_no_practice_are_an_error_without_ids() -> None:
    frame = pl.LazyFrame({"patid": [120001, 120002]})
    with pytest.raises(InputError, match=r"5 digits: 50.0%, 3 digits: 50.0%") as caught:
        practice_digits(frame, pl.Series([20001]))
    assert "120002" not in str(caught.value)


def test_the_practice_is_joined_by_its_last_digits() -> None:
    frame = pl.DataFrame({"subject_id": [5000, 5001, 5002]})
    practices = pl.DataFrame({"pracid": [1000, 1]})
    assert with_practice(frame, practices, 3)["practice"].to_list() == [1000, 1, None]
    with pytest.raises(InputError, match="same last 3 digits"):
        with_practice(frame, pl.DataFrame({"pracid": [1001, 1]}), 3)


def test_patients_whose_own_practice_is_unknown_are_an_error_without_ids() -> None:
    practices = pl.LazyFrame({"pracid": [20001, 20001, 20002], "region": [1, 1, 2]})
    require_practices(pl.LazyFrame({"pracid": [20001] * 99 + [None]}), practices)
    with pytest.raises(InputError, match=r"\(98.0% have one\)"):
        require_practices(pl.LazyFrame({"pracid": [20001] * 98 + [None, 7]}), practices)
    twice = practices.with_columns(region=pl.int_range(pl.len()))
    with pytest.raises(InputError, match="two different rows"):
        require_practices(pl.LazyFrame({"pracid": [20001]}), twice)


def test_patients_of_merged_practices_are_left_out() -> None:
    frame = pl.DataFrame({"subject_id": [1, 2, 3], "pracid": [20001, 20002, None]})
    assert not_merged(frame, pl.Series([20002]))["subject_id"].to_list() == [1, 3]


@pytest.mark.parametrize("text", ["20002\n20001\n20002\n", "\ufeffPracid\r\n20001\r\n\r\n 20002 "])
def test_a_list_of_merged_practices_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "merged.txt").write_text(text, encoding="utf-8")
    assert read_merged(tmp_path / "merged.txt").to_list() == [20001, 20002]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"20001\n20002,x\n", "line 2 is not a pracid"),
        (b"pracid\n2.0E4\n", "line 2 is not a pracid"),
        (b"pracid\n", "it has no practice"),
        (b"\xff\xfe2", "cannot be read"),
    ],
)
def test_what_is_no_list_of_practices_is_refused(tmp_path: Path, text: bytes, problem: str) -> None:
    (tmp_path / "merged.txt").write_bytes(text)
    with pytest.raises(InputError, match=problem):
        read_merged(tmp_path / "merged.txt")
