"""The files of a table, Parquet or delimited text, read batch by batch."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from behrt.errors import InputError
from behrt.sources.records import BATCH_ROWS, FIELDS, Tally

PARQUET = (".parquet",)
TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
DELIMITERS = {",": "comma", "\t": "TAB", ";": "semicolon", "|": "bar"}
BLANK = ("", "NULL", "null", "\\N")

_BLOCK_BYTES = 1 << 24
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_VALUE = re.compile(r"-?[0-9][0-9.:/ T-]*")


def is_parquet(path: Path) -> bool:
    """Return whether a file is read as Parquet."""
    return path.name.lower().endswith(PARQUET)


def is_read(path: Path) -> bool:
    """Return whether a file has a name that is read.

    >>> [is_read(Path(name)) for name in ("x.parquet", "x.CSV.GZ", "x.csv.zip", "x.xlsx")]
    [True, True, False, False]
    """
    return path.name.lower().endswith(PARQUET + TEXT)


def read_columns(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    required: Sequence[str],
    tally: Tally,
    blank: Sequence[str] = (),
    quotes_with_tabs: bool = True,
) -> Iterator[pl.DataFrame]:
    """Yield the columns of a file, batch by batch, as the file has them; text files as String.

    Args:
        path: a Parquet file, or text in UTF-8 with a header line and one of DELIMITERS between
            the values, gzipped or not.
        columns: for each column, the names that the file may have for it; all that it has are
            read. Case does not matter.
        required: columns of which the file must have a name.
        tally: counts the rows that have another number of fields than the header.
        blank: in a text file, texts that stand for no value, in addition to BLANK.
        quotes_with_tabs: whether values may be in quotes where TABs are between them.

    Yields:
        The columns by name: the first of its names as the column's own, others as they are.

    Raises:
        InputError: the file cannot be read, or a column is missing or there twice.
    """
    try:
        if is_parquet(path):
            yield from _read_parquet(path, columns, required)
        else:
            yield from _read_text(path, columns, required, tally, blank, quotes_with_tabs)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowException):
        # The reader's own text may quote a row.
        raise InputError(
            path,
            f"it cannot be read as {'Parquet' if is_parquet(path) else 'text in UTF-8'}",
            "Write it again: Parquet, or CSV in UTF-8 with quotes where a value needs them",
        ) from None


def _names(
    there: Sequence[str], columns: Mapping[str, Sequence[str]], required: Sequence[str], path: Path
) -> dict[str, str]:
    """Return the file's name of each name that is to be read."""
    known = {name.strip().lower(): name for name in there}
    missing = [name for name in required if not any(other in known for other in columns[name])]
    if missing:
        raise InputError(
            path, f"no column {', '.join(missing)}", "Name the columns as the OMOP CDM does"
        )
    if len(known) < len(there):
        raise InputError(
            path, "two columns have the same name, case aside", "Keep one of the two columns"
        )
    return {name: known[name] for names in columns.values() for name in names if name in known}


def _read_parquet(
    path: Path, columns: Mapping[str, Sequence[str]], required: Sequence[str]
) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        names = _names(file.schema_arrow.names, columns, required, path)
        batches = file.iter_batches(BATCH_ROWS, columns=list(names.values()), use_threads=False)
        for batch in batches:
            yield _frame(batch, names)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.name.lower().endswith(".gz"):
        with gzip.open(path, "rb") as stream:
            yield io.BufferedReader(stream, _BLOCK_BYTES)
    else:
        with path.open("rb") as stream:
            yield stream


def _read_text(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    required: Sequence[str],
    tally: Tally,
    blank: Sequence[str],
    quotes_with_tabs: bool,
) -> Iterator[pl.DataFrame]:
    with _opened(path) as stream:
        first = stream.readline(_BLOCK_BYTES)
        if first.startswith(_UTF_16) or b"\0" in first:
            raise InputError(path, "it is written in UTF-16", "Save it as UTF-8")
        header = first.decode("utf-8-sig").rstrip("\r\n")
        if not header:
            problem = "its first line is blank" if first else "it is empty"
            raise InputError(path, problem, "Export the table again, with a header line")
        lines = 0
        while line := stream.readline(_BLOCK_BYTES):
            if len(line) == _BLOCK_BYTES:
                raise InputError(
                    path, f"a line is longer than {_BLOCK_BYTES:,} bytes", "Write one row per line"
                )
            line.decode()  # pyarrow would print an error of its own for text that is not UTF-8
            lines += line.rstrip(b"\r\n") != b""
    delimiter = max(DELIMITERS, key=header.count)
    there = [name.strip().strip('"') for name in header.split(delimiter)]
    known = {other for names in columns.values() for other in names}
    if not known & {name.lower() for name in there} and any(map(_VALUE.fullmatch, there)):
        raise InputError(
            path,
            "its first line is not a header line",
            "Write the names of the columns, as the OMOP CDM has them, in the first line",
        )
    names = _names(there, columns, required, path)

    rows = 0

    def refuse(row: Any) -> str:
        nonlocal rows
        rows += 1
        tally.refuse(FIELDS)
        return "skip"

    with _opened(path) as stream:
        reader = pa_csv.open_csv(
            stream,
            pa_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=there, skip_rows=1
            ),
            pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quotes_with_tabs or delimiter != "\t" else False,
                invalid_row_handler=refuse,
            ),
            pa_csv.ConvertOptions(
                include_columns=list(names.values()),
                column_types=dict.fromkeys(there, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[*BLANK, *blank],
            ),
        )
        for batch in reader:
            rows += batch.num_rows
            yield _frame(batch, names)
    if rows != lines:
        raise InputError(
            path,
            f"rows are {rows} where lines are {lines}: a quote is not closed, or a value has a "
            "line end",
            "Write it again with one row per line, or as Parquet",
        )


def _frame(batch: pa.RecordBatch, names: Mapping[str, str]) -> pl.DataFrame:
    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
    return frame.select(pl.col(there).alias(name) for name, there in names.items())
