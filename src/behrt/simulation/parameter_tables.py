"""The tables of parameters beside the modules of the simulation: CSV files, read and checked."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dataframely as dy
import numpy as np
import polars as pl

from behrt.errors import InputError

S = TypeVar("S", bound=dy.Schema)


def read_table(
    schema: type[S],
    path: Path,
    what: str,
    prepare: Callable[[pl.DataFrame], pl.DataFrame] = lambda read: read,
    texts: tuple[str, ...] = (),
) -> dy.DataFrame[S]:
    """Read a table and check it.

    Args:
        schema: of its rows.
        path: the CSV file.
        what: the rows, in an error.
        prepare: what is done to the table as read, before it is checked.
        texts: columns that are texts even if they look like numbers.

    Raises:
        InputError: it cannot be read, or does not follow the schema.
    """
    try:
        read = pl.read_csv(path, schema_overrides=dict.fromkeys(texts, pl.String))
        return schema.validate(prepare(read), cast=True)
    except (dy.exc.ValidationError, pl.exceptions.PolarsError) as error:
        raise InputError(path.name, str(error), f"Correct the table of {what}") from error


def indexed(
    table: pl.DataFrame, column: str, names: pl.Series, path: Path, what: str
) -> pl.DataFrame:
    """Return a table with the indices (Int64) into `names` in place of the names in a column.

    Args:
        table: read from `path`.
        column: with the names.
        names: those of the other table, in its order.
        path: named in an error.
        what: the rows of the other table, in an error.

    Raises:
        InputError: a name is not in `names`.
    """
    unknown = set(table[column]) - set(names)
    if unknown:
        raise InputError(
            path.name,
            f"{column} {min(unknown)!r} is not in the table of {what}",
            "Use a name from that table",
        )
    index = pl.Series(np.arange(len(names)))
    return table.with_columns(pl.col(column).replace_strict(names, index, return_dtype=pl.Int64))
