"""Writing files whole or not at all: every writer goes through a temporary name and a rename."""

import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from behrt.errors import InputError

_UNWRITABLE = {
    errno.ENOSPC: ("no space is left on the disk", "Free some, or put `results` on another disk"),
    errno.EDQUOT: ("the disk quota is used up", "Free some, or put `results` on another disk"),
    errno.EFBIG: ("the file may not grow further", "Raise the limit on the size of files"),
    errno.EACCES: ("it may not be written", "Ask for permission to write to the folder"),
    errno.EPERM: ("it may not be written", "Ask for permission to write to the folder"),
    errno.EROFS: ("it may not be written", "Put `results` on a disk that may be written to"),
}

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), and the apostrophe
# by which it takes a cell for text.
_FORMULA = "^'*[=+\\-@\t\r\n]"


def keep_private() -> None:
    """Let this process, and those that it starts, make files of mode 0600 in folders of 0700."""
    os.umask(0o077)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell kindly why `path` cannot be written; what was done so far is kept by Snakemake.

    Raises:
        InputError: no space, a quota or limit, or no permission.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        number = getattr(error, "errno", None)
        if number is None and (told := re.search(r"\(os error (\d+)\)", str(error))):
            number = int(told[1])
        if number not in _UNWRITABLE:
            raise
        problem, mend = _UNWRITABLE[number]
        raise InputError(path.name, problem, f"{mend}; the same command then goes on") from error


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    Raises:
        InputError: there is no space, or no permission, to write it.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.partial")
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_parquet(frame: pl.DataFrame, path: Path, row_group_size: int | None = None) -> None:
    """Write a frame as Parquet, atomically and with the same bytes for the same frame."""
    with atomic(path) as temporary:
        frame.write_parquet(
            temporary, compression="zstd", statistics=True, row_group_size=row_group_size
        )


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as CSV (UTF-8, comma, header row), atomically.

    Text that a spreadsheet would run as a formula gets an apostrophe before it, which `read_csv`
    takes away again.
    """
    text = pl.col(pl.String)
    harmless = pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep()
    with atomic(path) as temporary:
        frame.with_columns(harmless).write_csv(temporary)


def read_csv(path: Path) -> pl.DataFrame:
    """Read what `write_csv` has written; an empty field is null."""
    text = pl.col(pl.String)
    plain = pl.when(text.str.contains("^'" + _FORMULA[1:])).then(text.str.slice(1)).otherwise(text)
    return pl.read_csv(path, infer_schema_length=None).with_columns(plain.name.keep())


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write a mapping as indented JSON with sorted keys, atomically."""
    with atomic(path) as temporary:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    value: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return value
