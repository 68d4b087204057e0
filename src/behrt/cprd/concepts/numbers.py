"""Numbers that CPRD delivers as text: values, and codes of look-ups."""

from collections.abc import Mapping

import polars as pl

from behrt.concept_values import same_unit

_NO_UNIT = ("nodataentered", "datanotentered")


def number(text: pl.Expr) -> pl.Expr:
    """Return the number that a text is, as Float64; null for a blank and for any other text.

    >>> written = ["7.2", " 7 ", "1e2", "", "trace", "nan", "inf", None]
    >>> pl.DataFrame({"value": written}).select(number(pl.col("value")))["value"].to_list()
    [7.2, 7.0, 100.0, None, None, None, None, None]
    """
    read = text.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(read.is_finite()).then(read)


def code(text: pl.Expr) -> pl.Expr:
    """Return the code of a look-up as Int64; 0, which stands for no data, for a blank.

    A code that is no whole number is -1, which no look-up has.
    """
    read = number(text)
    whole = (read >= 0) & (read == read.floor()) & (read < 2**53)
    return (
        pl.when(text.is_null() | (text.str.strip_chars() == ""))
        .then(0)
        .when(whole)
        .then(read)
        .otherwise(-1)
        .cast(pl.Int64)
    )


def units(look_up: Mapping[int, str]) -> dict[int, str]:
    """Return a look-up of units in the spelling of `same_unit`; "" for the codes of no unit.

    >>> units({0: "No Data Entered", 96: "mmol / L"})
    {0: '', 96: 'mmol/l'}
    """
    texts = pl.DataFrame({"code": list(look_up), "unit": list(look_up.values())})
    plain = dict(texts.select("code", same_unit(pl.col("unit"))).iter_rows())
    return {**{code: "" if text in _NO_UNIT else text for code, text in plain.items()}, 0: ""}
