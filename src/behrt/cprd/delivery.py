"""Finding the parts of a delivery: which file, or zip member, holds which part of which table."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import combinations
from pathlib import Path, PurePosixPath

from behrt.cprd.container import open_archive, open_text
from behrt.cprd.layout import GOLD, LINKED, TABLES, Table
from behrt.errors import InputError

_SPELLINGS = {
    spelling: table.name for table in TABLES.values() for spelling in (table.name, *table.also)
}


def _named(tables: Iterable[Table]) -> str:
    return "|".join(name for table in tables for name in (table.name, *table.also))


_GOLD_NAME = re.compile(
    rf"(?:^|_)extract_(?P<table>{_named(GOLD.values())})_(?P<part>\d{{3,}})\.(?:txt|zip)$",
    re.IGNORECASE,
)
_LINKED_NAME = re.compile(
    rf"(?:^|_)(?P<table>{_named(LINKED.values())})(?:_.*)?\.(?:txt|zip)$", re.IGNORECASE
)
# What bears a table's name but cannot be taken would otherwise be missed without a word.
_UNUSABLE_NAME = re.compile(
    rf"(?:^|_)(?:extract_(?:{_named(GOLD.values())})|{_named(LINKED.values())})(?:_.*)?"
    r"\.(?:txt|zip|7z|gz|tgz|tar|rar|bz2|xz|zst)$",
    re.IGNORECASE,
)
_CHUNK = 2**20


@dataclass(frozen=True, order=True)
class Part:
    """One delivered file.

    Attributes:
        table: name of the table, as in `behrt.cprd.layout.TABLES`.
        part: three digits or more: CPRD's number, "001" for a file without one.
        path: the .txt or .zip file.
        member: name of the .txt inside the zip; None for a loose .txt.
    """

    table: str
    part: str
    path: Path
    member: str | None


@dataclass(frozen=True)
class _File:
    """A delivered text before its part is numbered."""

    table: str
    number: str
    path: Path
    member: str | None
    size: int
    checksum: int | None  # a zip's own; None for a loose file

    def same_text(self, other: "_File") -> bool:
        """Tell whether both hold the same rows, one at least."""
        if self.size != other.size:
            return False
        if None not in (self.checksum, other.checksum) and self.checksum != other.checksum:
            return False
        with open_text(self.path, self.member) as one, open_text(other.path, other.member) as two:
            if one.line() != two.line():
                return False
            rows = False
            while True:
                left, right = one.read(_CHUNK), two.read(_CHUNK)
                if left != right:
                    return False
                if not left:
                    return rows
                rows = rows or bool(left.strip())


def find_parts(
    folder: Path,
    problems: list[InputError] | None = None,
    named: Mapping[str, str | Sequence[str]] | None = None,
) -> list[Part]:
    """List the parts of a CPRD GOLD delivery, sorted by table and part.

    Files are known by name alone, case ignored, in sub-folders too: `…_Extract_<Table>_<NNN>`
    for GOLD; `[…_]<table>[_…]` for linkage, HES and ONS files. So are the .txt inside a zip of
    another name. Files of CPRD Aurum and any other name are passed over. Where two deliveries in
    one folder number their parts alike, the parts of that table are numbered anew in the order of
    their paths.

    Args:
        folder: of the delivery.
        problems: if given, takes what is wrong with a file; the file is then left out.
        named: for a table, patterns (`p123_Patient*.txt`) of its files' paths below the folder,
            in place of the names above.

    Raises:
        InputError: no such folder, or it may not be read; a pattern that no file has; without
            `problems`, one file delivered twice, zipped and loose or under two names, a zip that
            cannot be opened, holds no .txt or two, or one of another table, or one whose path
            leads out of the zip, or a table's file packed otherwise or not numbered.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            folder, "no such folder", "Set `delivery` to the folder CPRD's files are in"
        )
    patterns = [
        (table, pattern)
        for table, given in (named or {}).items()
        for pattern in ([given] if isinstance(given, str) else given)
    ]
    paths = {path: path.relative_to(folder) for path in _walk(folder)}
    for _, pattern in patterns:
        if not any(_matches(relative, pattern) for relative in paths.values()):
            raise InputError(
                "config, delivery.files", f"no file is named {pattern}", "Mend the pattern"
            )
    found: dict[str, list[_File]] = defaultdict(list)
    stems: dict[Path, Path] = {}
    for path, relative in paths.items():
        try:
            known = _table_of(relative, patterns)
            if known is not None:
                _refuse_twin(path, relative, stems)
            for file in _texts(path, relative, known):
                found[file.table].append(file)
        except InputError as error:
            _raise_or_keep(error, problems)
    parts = []
    for table, files in found.items():
        if not TABLES[table].whole_build:
            try:
                _refuse_repeated(files, folder)
            except InputError as error:
                _raise_or_keep(error, problems)
        again = len({file.number for file in files}) < len(files)
        for index, file in enumerate(files, start=1):
            number = f"{index:03d}" if again else file.number
            parts.append(Part(table, number, file.path, file.member))
    return sorted(parts)


def _raise_or_keep(error: InputError, problems: list[InputError] | None) -> None:
    if problems is None:
        raise error
    problems.append(error)


def _refuse_twin(path: Path, relative: Path, stems: dict[Path, Path]) -> None:
    twin = stems.setdefault(path.with_suffix(""), path)
    if twin != path:
        raise InputError(
            relative, f"delivered twice, also as {twin.name}", "Keep one of the two files"
        )


def _matches(relative: Path, pattern: str) -> bool:
    return fnmatch(relative.as_posix().lower(), pattern.lower())


def _table_of(relative: Path, patterns: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the table and number of a file by the patterns, else by its name."""
    tables = sorted({table for table, pattern in patterns if _matches(relative, pattern)})
    if len(tables) > 1:
        raise InputError(
            relative, f"named as {' and '.join(tables)}", "Mend delivery.files in config"
        )
    if tables:
        return tables[0], _number(relative.stem)
    known = _known(relative)
    if known is None and _UNUSABLE_NAME.search(relative.name) and not _is_aurum(relative):
        raise InputError(
            relative,
            "it bears a table's name, but is not packed or numbered as CPRD's files are",
            "Unpack it, give it CPRD's name (…_Extract_<Table>_001.txt for GOLD), or move "
            "it out of the folder",
        )
    if known is not None and known[0] in {table for table, _ in patterns}:
        return None
    return known


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted, hidden ones left out; links to folders are followed.

    Raises:
        InputError: a folder may not be read.
    """

    def refuse(error: OSError) -> None:
        name = Path(error.filename).name
        raise InputError(
            name, f"the folder cannot be listed ({error.strerror})", "Ask its owner for permission"
        ) from error

    seen = set()
    paths = []
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        paths += [Path(place, name) for name in names if not name.startswith(".")]
    yield from sorted(path for path in paths if path.is_file())


def _number(stem: str) -> str:
    """Return the part's number that ends a name that only config knows, else 001."""
    match = re.search(r"(?<!\d)\d{3}$", stem)
    return match[0] if match else "001"


def _known(path: PurePosixPath | Path) -> tuple[str, str] | None:
    """Return the table and number that a GOLD delivery's file has by its name."""
    if _is_aurum(path):
        return None
    match = _GOLD_NAME.search(path.name) or _LINKED_NAME.search(path.name)
    if match is None:
        return None
    return _SPELLINGS[match["table"].lower()], match.groupdict().get("part") or "001"


def _is_aurum(path: PurePosixPath | Path) -> bool:
    return any("aurum" in piece and "gold" not in piece for piece in map(str.lower, path.parts))


def _texts(path: Path, relative: Path, known: tuple[str, str] | None) -> Iterator[_File]:
    """Yield the texts of a file: itself, or those in a zip that are parts."""
    if path.suffix.lower() != ".zip":
        if known is not None:
            yield _File(*known, path, None, path.stat().st_size, None)
        return
    if known is None and _is_aurum(relative):
        return
    with open_archive(path) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            if entry.filename.lower().endswith(".txt") and not entry.filename.startswith("__MACOSX")
        ]
    inside = [(entry, _known(_member_path(entry.filename, relative))) for entry in entries]
    if known is None:
        for entry, part in inside:
            if part is not None:
                yield _File(*part, path, entry.filename, entry.file_size, entry.CRC)
        return
    if len(inside) != 1:
        raise InputError(
            relative, f"holds {len(inside)} .txt files, not one", "Deliver one part a zip file"
        )
    ((entry, part),) = inside
    if part is not None and part[0] != known[0]:
        raise InputError(
            relative,
            f"named as {known[0]}, but holds {part[0]}",
            "Give the zip the name of what it holds",
        )
    yield _File(*known, path, entry.filename, entry.file_size, entry.CRC)


def _member_path(member: str, archive: Path) -> PurePosixPath:
    """Return a member's path, refusing one that leads out of the folder it would be unpacked to."""
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise InputError(
            archive,
            "a file in it has a path that leads out of the zip",
            "Do not unpack it; ask whoever sent it what it is",
        )
    return path


def _refuse_repeated(files: Sequence[_File], folder: Path) -> None:
    sizes: dict[int, list[_File]] = defaultdict(list)
    for file in files:
        sizes[file.size].append(file)
    for alike in sizes.values():
        for one, two in combinations(alike, 2):
            if one.same_text(two):
                raise InputError(
                    two.path.relative_to(folder),
                    f"the same rows as in {one.path.relative_to(folder)}",
                    "Keep one of the two files",
                )


def require(parts: Iterable[Part], tables: Iterable[str], folder: Path) -> None:
    """Raise an InputError that lists every table of `tables` that has no part."""
    present = {part.table for part in parts}
    missing = [
        f"{table} ({file_pattern(table)})" for table in sorted(set(tables)) if table not in present
    ]
    if missing:
        raise InputError(
            folder,
            f"no file for {', '.join(missing)}",
            "Copy the missing files into the folder, or give their names in config, delivery.files",
        )


def path_of(
    table: str, number: str, parts: Mapping[tuple[str, str], Part], fault: InputError | None
) -> Path:
    """Return the path of a part, by table and number; raise the delivery's fault, if it has one."""
    if fault is not None:
        raise fault
    return parts[table, number].path


def file_pattern(table: str) -> str:
    """Return how the files of a table are named."""
    if table in GOLD:
        return f"…_Extract_{table.capitalize()}_001.zip or .txt"
    return f"…{table}….txt or .zip"
