"""Delivered text: TAB between values, CRLF after rows, no quotes, blank for null, zipped or not."""

import io
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from behrt.cprd.layout import SourceTable
from behrt.files import atomic

NO_DAY = np.iinfo(np.int32).min
"""The day (int32) that stands for a blank date."""

_FIRST, _LAST = date(1850, 1, 1), date(2060, 12, 31)
_FIRST_DAY = (_FIRST - date(1970, 1, 1)).days
_DATES = pl.concat(
    [pl.Series([""]), pl.date_range(_FIRST, _LAST, eager=True).dt.to_string("%d/%m/%Y")]
).rechunk()
# Level 1 costs a third of the default's time for a sixth more bytes.
_DEFLATE_LEVEL = 1


def day_number(day: date) -> int:
    """Return the days from 1970-01-01 to `day`."""
    return (day - date(1970, 1, 1)).days


def dates(days: np.ndarray) -> pl.Series:
    """Return days since 1970-01-01 (any integer type, `NO_DAY` for none) as DD/MM/YYYY or ""."""
    # Looking a date up is ten times as fast as formatting it.
    days = days.astype(np.int64)
    return _DATES.gather(np.where(days == NO_DAY, 0, days - (_FIRST_DAY - 1)))


def blank_where(values: np.ndarray, blank: np.ndarray) -> pl.Series:
    """Return `values` with null where `blank` is true."""
    frame = pl.DataFrame({"value": values, "blank": blank})
    return frame.select(pl.when(~pl.col("blank")).then("value")).to_series()


def write_header(table: SourceTable, stream: IO[bytes]) -> None:
    """Write the header row, in delivered case and order."""
    stream.write(("\t".join(table.columns) + "\r\n").encode("ascii"))


def write_rows(table: SourceTable, columns: Mapping[str, object], stream: IO[bytes]) -> int:
    """Write rows without a header, and return how many.

    `columns` are arrays, series or scalars by delivered name.

    Raises:
        ValueError: the columns are not exactly those of the layout.
    """
    if set(columns) != set(table.columns):
        odd = sorted(set(columns) ^ set(table.columns))
        raise ValueError(f"{table.name}: columns differ from the layout: {', '.join(odd)}")
    series = {name: value for name in table.columns if _is_column(value := columns[name])}
    scalars = [
        pl.lit(value, dtype=pl.String if value is None else None).alias(name)
        for name, value in columns.items()
        if name not in series
    ]
    frame = pl.DataFrame(series).with_columns(scalars).select(table.columns)
    buffer = io.BytesIO()
    frame.write_csv(
        buffer,
        include_header=False,
        separator="\t",
        line_terminator="\r\n",
        quote_style="never",
        null_value="",
    )
    stream.write(buffer.getbuffer())
    return len(frame)


def _is_column(value: object) -> bool:
    return isinstance(value, np.ndarray | pl.Series)


@contextmanager
def zipped(paths: Mapping[str, Path]) -> Iterator[dict[str, IO[bytes]]]:
    """Open one zip file a key for writing, atomically, and yield the stream of its one member.

    The member is the text file of the archive's own name.

    The bytes depend on what is written alone: the member's time stamp is zip's first day.
    """
    with ExitStack() as stack:
        streams: dict[str, IO[bytes]] = {}
        for key, path in paths.items():
            temporary = stack.enter_context(atomic(path))
            archive = stack.enter_context(
                zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_DEFLATE_LEVEL)
            )
            member = archive.open(path.with_suffix(".txt").name, "w", force_zip64=True)
            streams[key] = stack.enter_context(member)
        yield streams


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; it takes the place of `path` if the block succeeds."""
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
