import polars as pl
import pytest

from behrt.cprd.practices import practice_digits, with_practice
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
