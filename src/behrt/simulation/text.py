"""Text as CPRD delivers it: TAB between values, CRLF after rows, no quotes, blanks for nulls."""

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
from behrt.simulation.days import NO_DAY, day_number

_FIRST, _LAST = date(1850, 1, 1), date(2060, 12, 31)
_FIRST_DAY = day_number(_FIRST)
_DATES = pl.concat(
    [pl.Series([""]), pl.date_range(_FIRST, _LAST, eager=True).dt.to_string("%d/%m/%Y")]
).rechunk()
# Level 1 takes a third of the default's time and a sixth more bytes.
_DEFLATE_LEVEL = 1


def dates(days: np.ndarray) -> pl.Series:
    """Return days since 1970-01-01 (integers, `NO_DAY` for none) as DD/MM/YYYY or ""."""
    # A look-up is ten times as fast as formatting each date.
    days = days.astype(np.int64)
    return _DATES.gather(np.where(days == NO_DAY, 0, days - (_FIRST_DAY - 1)))


def blank_where(values: np.ndarray, blank: np.ndarray) -> pl.Series:
    """Return `values`, null where `blank` is true."""
    frame = pl.DataFrame({"value": values, "blank": blank})
    return frame.select(pl.when(~pl.col("blank")).then("value")).to_series()


def write_header(table: SourceTable, stream: IO[bytes]) -> None:
    """Write the header row: the layout's names, in its case and order."""
    stream.write(("\t".join(table.columns) + "\r\n").encode("ascii"))


def write_rows(table: SourceTable, columns: Mapping[str, object], stream: IO[bytes]) -> int:
    """Write rows without a header, and return their number.

    Args:
        table: the layout.
        columns: an array, series or scalar for each column of the layout.
        stream: written to.

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
    """Open one zip file per key, atomically, and yield the stream of its one member.

    The member is a text file with the archive's name. The bytes depend only on what is written:
    the member's time stamp is zip's first day.
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
    """Yield a temporary folder, which replaces `path` if the block succeeds."""
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
