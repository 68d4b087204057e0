import datetime

import polars as pl
import pytest

from behrt.cprd.databases import GOLD
from behrt.cprd.values import DATE_FORMATS, Formats, Options
from behrt.errors import InputError


def _series(*values: str | None, name: str = "x") -> pl.Series:
    return pl.Series(name, values, dtype=pl.String)


def test_numbers_are_whole_and_not_below_zero() -> None:
    text = _series("12", None, "007", "-1", "1.0", "x", "9223372036854775808")
    assert Formats("f", Options()).typed(text, "id").to_list() == [12, None, 7] + [None] * 4
    assert Formats("f", Options()).typed(_series("3000000000"), "integer").to_list() == [None]


@pytest.mark.parametrize(
    ("label", "written", "impossible"),
    [
        ("DD/MM/YYYY", "29/02/2000", "29/02/2001"),
        ("YYYYMMDD", "20000229", "20010229"),
        ("YYYY-MM-DD", "2000-02-29", "2001-02-29"),
        ("YYYY/MM/DD", "2000/02/29", "2001/02/29"),
    ],
)
def test_a_date_format_is_found_out(label: str, written: str, impossible: str) -> None:
    formats = Formats("f", Options())
    assert formats.typed(_series(None, None), "date").to_list() == [None, None]
    assert formats.found == {}
    dates = formats.typed(_series(None, impossible, written, "rubbish", "1/2/2000"), "date")
    assert dates.to_list() == [None, None, datetime.date(2000, 2, 29), None, None]
    assert dates.dtype == pl.Date
    assert formats.found == {"x": label}


def test_two_date_formats_in_a_column_are_refused_in_one_batch_or_two() -> None:
    examples = ["31/12/1999", "19991231", "1999-12-31", "1999/12/31"]
    assert len(examples) == len(DATE_FORMATS)
    for first in examples:
        for second in examples:
            if first == second:
                continue
            with pytest.raises(InputError, match="column x mixes the formats") as caught:
                Formats("f", Options()).typed(_series(first, second), "date")
            assert "1999" not in str(caught.value)
            formats = Formats("f", Options())
            formats.typed(_series(first), "date")
            with pytest.raises(InputError, match="column x mixes the formats"):
                formats.typed(_series(second), "date")


def test_columns_may_differ_in_format() -> None:
    formats = Formats("f", Options())
    formats.typed(_series("31/12/1999", name="a"), "date")
    formats.typed(_series("19991231", name="b"), "date")
    assert formats.found == {"a": "DD/MM/YYYY", "b": "YYYYMMDD"}


def test_a_stated_date_format_leaves_others_unread() -> None:
    formats = Formats("f", Options(date_format="YYYYMMDD"))
    dates = formats.typed(_series("19991231", "31/12/1999"), "date")
    assert dates.to_list() == [datetime.date(1999, 12, 31), None]


def test_years_of_birth_are_four_digits_or_less_1800() -> None:
    assert Formats("f", Options()).typed(_series("1984", None), "year").to_list() == [1984, None]
    formats = Formats("f", Options())
    assert formats.typed(_series("184", "1"), "year").to_list() == [1984, 1801]
    assert formats.found == {"x": "less 1800"}
    with pytest.raises(InputError, match="mixes the formats less 1800 and four digits"):
        formats.typed(_series("1984"), "year")
    stated = Formats("f", Options(year_format="less 1800"))
    assert stated.typed(_series("184", "1984"), "year").to_list() == [1984, None]


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("DD/MM/YYYY", "01/01/0000"),
        ("DD/MM/YYYY", "31/12/9999"),
        ("DD/MM/YYYY", " 1/01/2000"),
        ("YYYYMMDD", "2000 101"),
        ("YYYYMMDD", "+2000101"),
        ("YYYYMMDD", "00010101"),
        ("YYYY-MM-DD", "2000- 1-01"),
        ("YYYY/MM/DD", "2200/01/01"),
    ],
)
def test_no_day_is_made_of_what_is_none(label: str, written: str) -> None:
    formats = Formats("f", Options(date_format=label))
    assert formats.typed(_series(written), "date").to_list() == [None]


def test_a_format_may_be_stated_for_one_column() -> None:
    formats = Formats("f", Options(date_format={"a": "YYYYMMDD"}))
    formats.typed(_series("31/12/1999", name="a"), "date")
    formats.typed(_series("31/12/1999", name="b"), "date")
    assert formats.found == {"a": "YYYYMMDD", "b": "DD/MM/YYYY"}


@pytest.mark.parametrize(
    "values",
    [
        {"date": "DD/MM/YYYY"},
        {"date_format": "MM/DD/YYYY"},
        {"date_format": {"eventdate": "MM/DD/YYYY"}},
        {"date_format": {"evendate": "DD/MM/YYYY"}},
        {"year_format": 1800},
        {"encoding": "latin"},
        {"columns": {"code": "readcode"}},
    ],
)
def test_unknown_options_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Options.read(values, GOLD.source_tables["clinical"])


def test_options_are_read() -> None:
    assert Options.read({"date_format": None}, GOLD.source_tables["clinical"]) == Options()
    named = Options.read({"columns": {"E_Code": "medcode"}}, GOLD.source_tables["clinical"])
    assert named.columns == {"code": "medcode"}
