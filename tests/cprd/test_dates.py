import datetime
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.cprd.dates import parse_days
from behrt.cprd.values import DATE_FORMATS

FORMATS = {
    "DD/MM/YYYY": "%d/%m/%Y",
    "YYYYMMDD": "%Y%m%d",
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY/MM/DD": "%Y/%m/%d",
}


def by_strptime(text: str | None, label: str) -> datetime.date | None:
    if text is None or not re.fullmatch(DATE_FORMATS[label].strip("^$"), text):
        return None
    try:
        day = datetime.datetime.strptime(text, FORMATS[label]).date()
    except ValueError:
        return None
    return day if 1800 <= day.year <= 2199 else None


numbers = st.one_of(
    st.dates().map(lambda day: (day.year, day.month, day.day)),
    st.tuples(st.integers(1790, 2210), st.integers(0, 99), st.integers(0, 99)),
)


@st.composite
def texts(draw: st.DrawFn, label: str) -> str | None:
    """Draw a day in the format, perhaps with a character changed, put in or taken out."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.none(), st.text(max_size=20)))
    year, month, day = draw(numbers)
    text = label.replace("YYYY", f"{year:04d}").replace("MM", f"{month:02d}")
    text = text.replace("DD", f"{day:02d}")
    if draw(st.booleans()):
        return text
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(start + 1, len(text))))
    return text[:start] + draw(st.text(max_size=1)) + text[end:]


@pytest.mark.parametrize("label", DATE_FORMATS)
def test_days_are_those_of_strptime_in_exactly_the_format(label: str) -> None:
    @settings(max_examples=60)
    @given(written=st.lists(texts(label), max_size=30), start=st.integers(0, 5))
    def compare(written: list[str | None], start: int) -> None:
        column = pl.Series("x", written, dtype=pl.String).slice(start)
        days = parse_days(column, label)
        assert (days.name, days.dtype) == ("x", pl.Date)
        assert days.to_list() == [by_strptime(text, label) for text in written[start:]]

    compare()


def test_every_day_of_the_calendar_is_read() -> None:
    days = pl.date_range(datetime.date(1800, 1, 1), datetime.date(2199, 12, 31), eager=True)
    assert parse_days(days.dt.strftime("%d/%m/%Y"), "DD/MM/YYYY").to_list() == days.to_list()
