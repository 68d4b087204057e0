"""Delivered text: opened from a zip or loose, in batches of whole lines, split into columns.

CPRD's files are TAB-separated with a header line, CRLF or LF, and know no quoting.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import polars as pl

from behrt.errors import InputError

_ALL_BUT_SEPARATORS = bytes(set(range(256)) - set(b"\t\n"))


@contextmanager
def open_text(source: Path, member: str | None) -> Iterator[tuple[IO[bytes], int]]:
    """Open a .txt, or the `member` of a .zip: its bytes as a stream, and how many there are.

    Raises:
        InputError: the zip is damaged, encrypted, or packed in a way that Python cannot unpack;
            also while the stream is read.
    """
    if member is None:
        with source.open("rb") as stream:
            yield stream, source.stat().st_size
        return
    mend = "Copy the file again, or unpack it with another program and deliver the .txt"
    try:
        with zipfile.ZipFile(source) as archive:
            entry = archive.getinfo(member)
            if entry.flag_bits & 1:
                raise InputError(source.name, "the zip is encrypted", "Unpack it with its password")
            with archive.open(entry) as stream:
                yield stream, entry.file_size
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(source.name, "the zip is damaged", mend) from error
    except NotImplementedError as error:
        raise InputError(source.name, "the zip's compression is not known", mend) from error


def batches(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the rest of the stream as batches of whole lines, each about `size` bytes.

    The last line comes as it is, with or without a line end.
    """
    while block := stream.read(size):
        yield block + stream.readline()


def split_columns(
    text: bytes, header: list[str], columns: list[str]
) -> tuple[pl.DataFrame, pl.Series | None]:
    """Split whole lines into columns of text, without surrounding spaces; blank is null.

    Args:
        text: lines, each with its line end.
        header: the names of the fields of a line.
        columns: which of them are wanted.

    Returns:
        The wanted columns, a row a line, blank lines left out; and, where any line has more or
        fewer fields than the header, every row's surplus (Int32, below 0 for a short row, whose
        missing fields are null).
    """
    surplus = None
    regular = b"\t" * (len(header) - 1) + b"\n"
    separators = text.translate(None, _ALL_BUT_SEPARATORS)
    if separators != regular * (len(separators) // len(regular)):
        lines = [line for line in text.split(b"\n") if line not in (b"", b"\r")]
        text = b"".join(line + b"\n" for line in lines)
        surplus = pl.Series(
            "surplus", [line.count(b"\t") + 1 - len(header) for line in lines], dtype=pl.Int32
        )
    if not text:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), surplus
    positions = {name: f"field {header.index(name)}" for name in columns}
    scanned = pl.scan_csv(
        text,
        separator="\t",
        has_header=False,
        quote_char=None,
        encoding="utf8-lossy",
        schema={f"field {index}": pl.String for index in range(len(header))},
        missing_columns="insert",
        extra_columns="ignore",
    )
    wanted = [pl.col(field).alias(name) for name, field in positions.items()]
    if b" " in text:
        stripped = [value.str.strip_chars(" ") for value in wanted]
        wanted = [pl.when(value != "").then(value) for value in stripped]
    return scanned.select(wanted).collect(), surplus
