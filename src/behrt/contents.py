"""The content of files that a user gives, as one hash: what a rule reads, not when it was written.

Snakemake compares the dates of inputs. An edited code list leaves its folder's date as it was, and
a delivery replaced by an older copy has an older date: neither would rerun anything. A rule with
this hash among its params runs again when the content has changed.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from behrt.files import sha256_of

_WHOLE = 2**20
"""Bytes; a larger file is hashed in part, so that thousands of them are planned in seconds."""

_PIECES, _PIECE = 64, 2**12
_OF_THE_RUN = "<results>/"

Given = str | os.PathLike[str] | Iterable["Given"] | None


def content_of(*given: Given) -> str | None:
    """Return a hash of the content of files and folders, or None if there are none.

    None, and what a rule of the workflow makes (`<results>/…`), are left out. A file of up to 1 MiB
    counts with all its bytes; a zip with the names, lengths and checksums of its members; any other
    file with its length, its date and pieces of its content.

    >>> content_of(None, "<results>/meds/data/00.parquet") is None
    True
    """
    paths = sorted(set(_flat(given)))
    if not paths:
        return None
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path}\0{_content(path)}\n".encode())
    return digest.hexdigest()


def _flat(given: Iterable[Given]) -> Iterable[str]:
    for item in given:
        if item is None:
            continue
        if isinstance(item, str | os.PathLike):
            path = os.fspath(item)
            if not path.startswith(_OF_THE_RUN):
                yield path
        else:
            yield from _flat(item)


@cache
def _content(path: str) -> str:
    """Return the hash of a file, or of a folder's files; "missing" for nothing that can be read."""
    place = Path(path)
    try:
        if place.is_dir():
            digest = hashlib.sha256()
            for file in sorted(place.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    name = file.relative_to(place).as_posix()
                    digest.update(f"{name}\0{_file(file)}\n".encode())
            return digest.hexdigest()
        return _file(place)
    except OSError:
        return "missing"


def _file(path: Path) -> str:
    size = path.stat().st_size
    if size > _WHOLE and path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                members = [(one.filename, one.file_size, one.CRC) for one in archive.infolist()]
            return hashlib.sha256(repr(members).encode()).hexdigest()
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            pass  # a damaged zip counts like any other file
    if size <= _WHOLE:
        return sha256_of(path)
    with path.open("rb") as stream:
        digest = hashlib.sha256(f"{size} {path.stat().st_mtime_ns}".encode())
        for piece in range(_PIECES):
            stream.seek(piece * (size - _PIECE) // (_PIECES - 1))
            digest.update(stream.read(_PIECE))
    return digest.hexdigest()
