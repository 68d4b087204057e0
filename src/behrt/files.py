"""Files are written whole or not at all: to a temporary name, then renamed."""

import errno
import hashlib
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
    errno.ENOSPC: (
        "no space is left on the disk",
        "Free some space, or put `results` on another disk",
    ),
    errno.EDQUOT: (
        "the disk quota is used up",
        "Free some space, or put `results` on another disk",
    ),
    errno.EFBIG: ("it exceeds the limit on the size of files", "Raise the limit (ulimit -f)"),
    errno.EACCES: ("you have no permission to write it", "Get permission to write to its folder"),
    errno.EPERM: ("you have no permission to write it", "Get permission to write to its folder"),
    errno.EROFS: ("its disk is read-only", "Put `results` on a disk that can be written"),
}

# Text that a spreadsheet reads as a formula (OWASP, CSV injection), and the apostrophe that makes
# it read a cell as text.
_FORMULA = "^'*[=+\\-@\t\r\n]"


def keep_private() -> None:
    """Create files with mode 0600 and folders with 0700 from now on, also in child processes."""
    os.umask(0o077)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Explain in one sentence why `path` cannot be written.

    Raises:
        InputError: no space, a quota or limit, or no permission.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        number = getattr(error, "errno", None)
        if number is None and (reported := re.search(r"\(os error (\d+)\)", str(error))):
            number = int(reported[1])
        if number not in _UNWRITABLE:
            raise
        problem, fix = _UNWRITABLE[number]
        raise InputError(path.name, problem, f"{fix}, and run the same command again") from error


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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_parquet(frame: pl.DataFrame, path: Path, row_group_size: int | None = None) -> None:
    """Write a frame as Parquet, atomically and with the same bytes for the same frame."""
    with atomic(path) as temporary:
        frame.write_parquet(
            temporary, compression="zstd", statistics=True, row_group_size=row_group_size
        )


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as CSV (UTF-8, comma, header row), atomically.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe, which `read_csv`
    removes.
    """
    text = pl.col(pl.String)
    harmless = pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep()
    with atomic(path) as temporary:
        frame.with_columns(harmless).write_csv(temporary)


def read_csv(path: Path) -> pl.DataFrame:
    """Read a file that `write_csv` has written; an empty field is null."""
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
