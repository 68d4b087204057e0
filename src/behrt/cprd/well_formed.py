"""Batches of text in which nothing is unusual, parsed in one pass.

In most batches of a delivery, every line has the fields of the header, and every number is one.
Any other batch is read by `behrt.cprd.text.split_columns`, so that its rows can be refused one by
one.
"""

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from behrt.cprd.layout import ColumnType
from behrt.cprd.text import is_regular

_READ_AS: Mapping[ColumnType, type[pl.DataType]] = {
    "id": pl.Int64,
    "integer": pl.Int32,
    "date": pl.String,
    "text": pl.String,
}


def can_be_read(types: Mapping[str, ColumnType]) -> bool:
    """Return whether `read_well_formed` reads a table with these columns.

    The first column must be a number, since a text may be the header line again. There must be no
    year: there, the text 0 is blank, and 00 is not.
    """
    return next(iter(types.values())) in ("id", "integer") and "year" not in types.values()


def read_well_formed(
    text: bytes, header: list[str], types: Mapping[str, ColumnType]
) -> pl.DataFrame | None:
    """Parse whole lines, each with its line end, if all of them are well-formed.

    Args:
        text: the lines.
        header: the names of the fields of a line.
        types: the columns that are read; `can_be_read`.

    Returns:
        ids (Int64) and integers (Int32), not negative; dates and texts (String), not empty; blank
        is null. None if a byte is not ASCII, or is NUL or a space, if a line is blank or has more
        or fewer fields than the header, or if a number cannot be read.
    """
    if not is_regular(text, len(header), plain=True):
        return None
    fields = {name: f"field {header.index(name)}" for name in types}
    schema: dict[str, type[pl.DataType]] = {
        f"field {index}": pl.String for index in range(len(header))
    }
    schema |= {fields[name]: _READ_AS[kind] for name, kind in types.items()}
    scanned = pl.scan_csv(text, separator="\t", has_header=False, quote_char=None, schema=schema)
    try:
        rows = scanned.select(pl.col(field).alias(name) for name, field in fields.items()).collect()
    except pl.exceptions.ComputeError:  # not a number
        return None
    if any((lowest or 0) < 0 for lowest in rows.select(cs.integer().min()).row(0)):
        return None
    return rows
