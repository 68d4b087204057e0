import datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from behrt.cprd.row_order import sort_rows

SCHEMA = {"id": pl.Int64, "day": pl.Date, "code": pl.Int64, "kind": pl.Int32, "text": pl.String}
rows = st.tuples(
    st.one_of(st.none(), st.integers(0, 3), st.integers(0, 2**63 - 1)),
    st.one_of(st.none(), st.dates(datetime.date(1800, 1, 1), datetime.date(2199, 12, 31))),
    st.one_of(st.none(), st.integers(0, 2), st.integers(2**62, 2**63 - 1)),
    st.one_of(st.none(), st.integers(-2, 2)),
    st.one_of(st.none(), st.sampled_from(["", "a", "b"])),
)


@given(rows=st.lists(rows, max_size=40), columns=st.integers(1, 5))
def test_rows_are_sorted_as_by_all_columns(rows: list[tuple[object, ...]], columns: int) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")[:, :columns]
    assert sort_rows(frame).equals(frame.sort(pl.all()))


def test_keys_that_need_more_bits_than_there_are_are_sorted_too() -> None:
    wide = pl.Series([2**63 - 1, 0, 5, None], dtype=pl.Int64)
    frame = pl.DataFrame({"a": wide, "b": wide.reverse(), "c": wide})
    frame = pl.concat([frame, frame.reverse()])
    assert sort_rows(frame).equals(frame.sort(pl.all()))
