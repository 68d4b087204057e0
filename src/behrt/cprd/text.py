"""Delivered text in batches of whole lines, split into columns.

CPRD's files are TAB-separated with a header line and CRLF or LF, and without quotes.
"""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from behrt.cprd.container import LONGEST_LINE, Text
from behrt.errors import InputError

_ALL_BUT_SEPARATORS = bytes(set(range(256)) - set(b"\t\n"))
_PLAIN = bytes(set(range(1, 128)) - set(b"\t\n "))


def batches(text: Text, size: int) -> Generator[bytes]:
    """Yield the rest of the text as batches of whole lines, each about `size` bytes.

    The last line is returned as it is, with or without a line end. While a batch is used, a thread
    reads, and unpacks, the next one.

    Raises:
        InputError: a line is longer than LONGEST_LINE.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(_read_batch, text, size)
        while batch := following.result():
            following = thread.submit(_read_batch, text, size)
            yield batch


def _read_batch(text: Text, size: int) -> bytes:
    block = text.read(size)
    if block and not block.endswith(b"\n"):
        block += text.line()
    start = 0
    while len(block) - start > LONGEST_LINE:
        end = block.rfind(b"\n", start, start + LONGEST_LINE + 1)
        if end < 0:
            raise InputError(
                text.name,
                f"a line is longer than {LONGEST_LINE:,} bytes",
                "Rows must end with CRLF or LF: copy the file again as it was delivered",
            )
        start = end + 1
    return block


def as_utf8(text: bytes, encoding: str | None) -> tuple[bytes, int]:
    """Return whole lines in UTF-8, and how many of them were not in UTF-8.

    Args:
        text: lines in ASCII, UTF-8 or cp1252.
        encoding: "utf-8" or "cp1252"; None: a line that is not UTF-8 is read as cp1252.
    """
    if text.isascii() or encoding == "utf-8":
        return text, 0
    if encoding is None and _is_utf8(text):
        return text, 0
    lines = text.split(b"\n")
    other = [
        index
        for index, line in enumerate(lines)
        if not line.isascii() and (encoding == "cp1252" or not _is_utf8(line))
    ]
    for index in other:
        lines[index] = lines[index].decode("cp1252", errors="replace").encode()
    return b"\n".join(lines), len(other)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_regular(text: bytes, fields: int, *, plain: bool = False) -> bool:
    """Return whether each line, all with line ends, has so many fields; a blank line has one.

    With `plain`, also whether all bytes are ASCII, and none is NUL or a space.
    """
    regular = b"\t" * (fields - 1) + b"\n"
    separators = text.translate(None, _PLAIN if plain else _ALL_BUT_SEPARATORS)
    return separators == regular * (len(separators) // len(regular))


@dataclass(frozen=True)
class Rows:
    """Lines split into columns, one row per line, without blank lines.

    Attributes:
        columns: the columns that are read, as text without surrounding spaces; blank is null.
        surplus: fields of the line in excess of the header's (Int32), negative for a short row,
            whose missing fields are null; None if no line has more or fewer.
        damaged: whether the line has NUL bytes; None if no line has.
        lines: the line, counted from 0 at the start of the text; None if no line was blank.
    """

    columns: pl.DataFrame
    surplus: pl.Series | None = None
    damaged: pl.Series | None = None
    lines: pl.Series | None = None


def split_columns(text: bytes, header: list[str], columns: list[str]) -> Rows:
    """Split whole lines, each with its line end, into columns.

    Args:
        text: lines in UTF-8.
        header: the names of the fields of a line.
        columns: those that are read.
    """
    surplus = damaged = numbers = None
    if b"\0" in text or not is_regular(text, len(header)):
        kept = [
            (number, line)
            for number, line in enumerate(text.split(b"\n"))
            if line not in (b"", b"\r")
        ]
        lines = [line for _, line in kept]
        text = b"".join(line + b"\n" for line in lines)
        surplus = pl.Series([line.count(b"\t") + 1 - len(header) for line in lines], dtype=pl.Int32)
        damaged = pl.Series([b"\0" in line for line in lines], dtype=pl.Boolean)
        numbers = pl.Series([number for number, _ in kept], dtype=pl.Int64)
    if not text:
        empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        return Rows(empty, surplus, damaged, numbers)
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
    return Rows(scanned.select(wanted).collect(), surplus, damaged, numbers)
