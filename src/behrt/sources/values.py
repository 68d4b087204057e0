"""Values of a table's cells: numbers and dates, as databases and pandas write them."""

from typing import Literal

import polars as pl

from behrt.errors import InputError

Kind = Literal["number", "decimal", "date", "text"]

_LARGEST_FLOAT = 2.0**53  # above it, a float no longer holds every whole number
_WHOLE = r"^-?[0-9]{1,19}(\.0*)?$"
_DECIMAL = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
_DASHED = r"^[0-9]{4}([-/])[0-9]{2}([-/])[0-9]{2}([T ].*)?$"
_PLAIN = r"^[0-9]{8}(\.0*)?$"


def read_values(cells: pl.Series, kind: Kind, where: str) -> pl.DataFrame:
    """Return the values of a column, and the text of each cell that cannot be read.

    Whole numbers may be floats or decimals without a fraction, as pandas writes a column with
    gaps. Other numbers have a decimal point. Dates begin with the year, and may be followed by a
    time of day; other orders are refused, because a day and a month can be exchanged. A blank cell
    has neither a value nor a text.

    Args:
        cells: the column, of any type that a Parquet or text file has.
        kind: of the values.
        where: the file, for the error.

    Returns:
        value (Int64, Float64, Date or String) and unreadable (String, null where the cell can be
        read).

    Raises:
        InputError: the column has a type that cannot hold such values.

    >>> read_values(pl.Series("month", ["3", "4.0", "4.5", None]), "number", "x.csv").rows()
    [(3, None), (4, None), (None, '4.5'), (None, None)]
    >>> days = pl.Series("day", ["2010-02-01", "20100201", "01/02/2010"])
    >>> [unreadable for _, unreadable in read_values(days, "date", "x.csv").rows()]
    [None, None, '01/02/2010']
    """
    reader = {"number": _number, "decimal": _decimal, "date": _date, "text": _text}[kind]
    value = reader(cells, where)
    kept = cells.to_frame().select(value.alias("value"), cell=pl.col(cells.name))
    cell = pl.col("cell")
    blank = cell.is_null()
    if cells.dtype.is_float():  # what pandas writes for a gap
        blank |= cell.is_nan()
    if cells.dtype == pl.String:
        blank |= cell.str.strip_chars() == ""
    unreadable = pl.when(pl.col("value").is_null() & ~blank).then(cell.cast(pl.String))
    return kept.select("value", unreadable=unreadable)


def _number(cells: pl.Series, where: str) -> pl.Expr:
    kind, cell = cells.dtype, pl.col(cells.name)
    if kind == pl.String:
        text = cell.str.strip_chars()
        whole = pl.when(text.str.contains(_WHOLE)).then(text.str.replace(r"\.0*$", ""))
        return whole.cast(pl.Int64, strict=False)
    if kind.is_float():
        exact = (cell == cell.floor()) & (cell.abs() < _LARGEST_FLOAT)
        return pl.when(exact).then(cell).cast(pl.Int64, strict=False)
    if kind.is_decimal():
        return pl.when(cell == cell.floor()).then(cell).cast(pl.Int64, strict=False)
    if kind.is_integer() or kind == pl.Null:
        return cell.cast(pl.Int64, strict=False)
    raise InputError(where, f"column {cells.name} is of type {kind}", "Write it as whole numbers")


def _decimal(cells: pl.Series, where: str) -> pl.Expr:
    kind, cell = cells.dtype, pl.col(cells.name)
    if kind == pl.String:
        text = cell.str.strip_chars()
        number = pl.when(text.str.contains(_DECIMAL)).then(text).cast(pl.Float64, strict=False)
    elif kind.is_numeric() or kind == pl.Null:
        number = cell.cast(pl.Float64)
    else:
        raise InputError(where, f"column {cells.name} is of type {kind}", "Write it as numbers")
    return pl.when(number.is_finite()).then(number)


def _date(cells: pl.Series, where: str) -> pl.Expr:
    kind, cell = cells.dtype, pl.col(cells.name)
    if kind in (pl.Date, pl.Null) or isinstance(kind, pl.Datetime):
        return cell.cast(pl.Date)
    if kind == pl.String or kind.is_integer():
        text = cell.cast(pl.String).str.strip_chars()
        dashed = pl.when(text.str.contains(_DASHED)).then(
            text.str.head(10).str.replace_all("/", "-")
        )
        plain = pl.when(text.str.contains(_PLAIN)).then(text.str.head(8))
        return pl.coalesce(
            dashed.str.to_date("%Y-%m-%d", strict=False), plain.str.to_date("%Y%m%d", strict=False)
        )
    raise InputError(where, f"column {cells.name} is of type {kind}", "Write it as a date")


def _text(cells: pl.Series, where: str) -> pl.Expr:
    text = pl.col(cells.name).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)
