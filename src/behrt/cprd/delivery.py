"""Finding the parts of a delivery: which file, or zip member, holds which part of which table."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from itertools import combinations
from pathlib import Path, PurePosixPath

from behrt.cprd.container import open_archive, open_text
from behrt.cprd.databases import DATABASES
from behrt.cprd.layout import SourceTable
from behrt.errors import InputError

_CHUNK = 2**20


@dataclass(frozen=True)
class _Names:
    """How the files of a database's delivery are named.

    Attributes:
        numbered, others: of its own tables, and of linked tables and look-ups.
        unusable: what bears a table's name but cannot be taken; it would be missed without a word.
        spellings: in lower case, and the table that each means.
    """

    numbered: re.Pattern[str]
    others: re.Pattern[str]
    unusable: re.Pattern[str]
    spellings: Mapping[str, str]

    def table_of(self, name: str) -> tuple[str, str] | None:
        """Return the table and number of a file."""
        match = self.numbered.search(name) or self.others.search(name)
        if match is None:
            return None
        return self.spellings[match["table"].lower()], match.groupdict().get("part") or "001"


@cache
def _names(database: str) -> _Names:
    def spelt(source_tables: Mapping[str, SourceTable]) -> str:
        return "|".join(
            name
            for source_table in source_tables.values()
            for name in (source_table.name, *source_table.also)
        )

    known = DATABASES[database]
    numbered, others = spelt(known.numbered), spelt(known.others)
    patterns = (
        rf"(?:^|_)extract_(?P<table>{numbered})_(?P<part>\d{{3,}})\.(?:txt|zip)$",
        rf"(?:^|_)(?P<table>{others})(?:_.*)?\.(?:txt|zip)$",
        rf"(?:^|_)(?:extract_(?:{numbered})|{others})(?:_.*)?"
        r"\.(?:txt|zip|7z|gz|tgz|tar|rar|bz2|xz|zst)$",
    )
    spellings = {
        spelling: source_table.name
        for source_table in known.source_tables.values()
        for spelling in (source_table.name, *source_table.also)
    }
    own, linked, unusable = (re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    return _Names(own, linked, unusable, spellings)


@dataclass(frozen=True, order=True)
class DeliveredPart:
    """One delivered file.

    Attributes:
        table: name of the table, as in `behrt.cprd.databases`.
        part: three digits or more: CPRD's number, "001" for a file without one.
        path: the .txt or .zip file.
        member: name of the .txt inside the zip; None for a loose .txt.
    """

    source_table: str
    part: str
    path: Path
    member: str | None


@dataclass(frozen=True)
class _File:
    """A delivered text before its part is numbered."""

    source_table: str
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
    database: str = "gold",
) -> list[DeliveredPart]:
    """List the parts of a CPRD delivery, sorted by table and part.

    Files are known by name alone, case ignored, in sub-folders too: `…_Extract_<Table>_<NNN>` for
    the database's own tables; `[…_]<table>[_…]` for linkage, HES and ONS files and look-ups. So are
    the .txt inside a zip of another name. Files that name CPRD's other database, as their folder
    may, and those of any other name are passed over. Where two deliveries in one folder number
    their parts alike, the parts of that table are numbered anew in the order of their paths.

    Args:
        folder: of the delivery.
        problems: if given, takes what is wrong with a file; the file is then left out.
        named: for a table, patterns (`p123_Patient*.txt`) of its files' paths below the folder,
            in place of the names above.
        database: a key of `behrt.cprd.databases.DATABASES`.

    Raises:
        InputError: no such folder, or it may not be read; a pattern that no file has, or for a
            table that the database lacks; without
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
        (source_table, pattern)
        for source_table, given in (named or {}).items()
        for pattern in ([given] if isinstance(given, str) else given)
    ]
    source_tables = DATABASES[database].source_tables
    for source_table in named or {}:
        if source_table not in source_tables:
            title = DATABASES[database].title
            raise InputError(
                "config, delivery.files", f"{title} has no table {source_table}", "Leave it out"
            )
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
            known = _table_of(relative, patterns, database)
            if known is not None:
                _refuse_twin(path, relative, stems)
            for file in _texts(path, relative, known, database):
                found[file.source_table].append(file)
        except InputError as error:
            _raise_or_keep(error, problems)
    parts = []
    for source_table, files in found.items():
        if not source_tables[source_table].whole_build:
            try:
                _refuse_repeated(files, folder)
            except InputError as error:
                _raise_or_keep(error, problems)
        again = len({file.number for file in files}) < len(files)
        for index, file in enumerate(files, start=1):
            number = f"{index:03d}" if again else file.number
            parts.append(DeliveredPart(source_table, number, file.path, file.member))
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


def _table_of(
    relative: Path, patterns: Sequence[tuple[str, str]], database: str
) -> tuple[str, str] | None:
    """Return the table and number of a file by the patterns, else by its name."""
    source_tables = sorted(
        {source_table for source_table, pattern in patterns if _matches(relative, pattern)}
    )
    if len(source_tables) > 1:
        raise InputError(
            relative, f"named as {' and '.join(source_tables)}", "Mend delivery.files in config"
        )
    if source_tables:
        return source_tables[0], _number(relative.stem)
    if _is_of_another(relative, database):
        return None
    known = _names(database).table_of(relative.name)
    if known is None and _names(database).unusable.search(relative.name):
        raise InputError(
            relative,
            "it bears a table's name, but is not packed or numbered as CPRD's files are",
            "Unpack it, give it CPRD's name (…_Extract_<Table>_001.txt for the database's own "
            "tables), or move it out of the folder",
        )
    if known is not None and known[0] in {source_table for source_table, _ in patterns}:
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


def _is_of_another(path: PurePosixPath | Path, database: str) -> bool:
    """Tell whether a folder or file on the path names another of CPRD's databases alone."""
    others = set(DATABASES) - {database}
    return any(
        database not in piece and any(other in piece for other in others)
        for piece in map(str.lower, path.parts)
    )


def _texts(
    path: Path, relative: Path, known: tuple[str, str] | None, database: str
) -> Iterator[_File]:
    """Yield the texts of a file: itself, or those in a zip that are parts."""
    if path.suffix.lower() != ".zip":
        if known is not None:
            yield _File(*known, path, None, path.stat().st_size, None)
        return
    if known is None and _is_of_another(relative, database):
        return
    with open_archive(path) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            if entry.filename.lower().endswith(".txt") and not entry.filename.startswith("__MACOSX")
        ]
    inside = [
        (entry, _member_table(_member_path(entry.filename, relative), database))
        for entry in entries
    ]
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


def _member_table(path: PurePosixPath, database: str) -> tuple[str, str] | None:
    """Return the table and number of a text in a zip by its name."""
    return None if _is_of_another(path, database) else _names(database).table_of(path.name)


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


def require(
    parts: Iterable[DeliveredPart],
    source_tables: Iterable[str],
    folder: Path,
    database: str = "gold",
) -> None:
    """Raise an InputError that lists every table of `tables` that has no part.

    It says so where the folder holds a delivery of CPRD's other database.
    """
    present = {part.source_table for part in parts}
    missing = [
        f"{source_table} ({file_pattern(source_table, database)})"
        for source_table in sorted(set(source_tables))
        if source_table not in present
    ]
    if missing:
        others = [
            f"; it holds files of {other.title}: for these, set `database: {other.name}`"
            for other in DATABASES.values()
            if other.name != database and _holds(folder, other.name)
        ]
        raise InputError(
            folder,
            f"no file for {', '.join(missing)}",
            "Copy the missing files into the folder, or give their names in config, delivery.files"
            + "".join(others),
        )


def _holds(folder: Path, database: str) -> bool:
    """Tell whether a folder has a file of a table that this database alone has."""
    shared = set.intersection(*(set(other.source_tables) for other in DATABASES.values()))
    names = _names(database)
    found = (
        names.table_of(path.name)
        for path in _walk(folder)
        if not _is_of_another(path.relative_to(folder), database)
    )
    return any(known is not None and known[0] not in shared for known in found)


def path_of(
    source_table: str,
    number: str,
    parts: Mapping[tuple[str, str], DeliveredPart],
    fault: InputError | None,
) -> Path:
    """Return the path of a part, by table and number; raise the delivery's fault, if it has one."""
    if fault is not None:
        raise fault
    return parts[source_table, number].path


def file_pattern(source_table: str, database: str = "gold") -> str:
    """Return how the files of a table are named."""
    if source_table in DATABASES[database].numbered:
        return f"…_Extract_{source_table.capitalize()}_001.zip or .txt"
    return f"…{source_table}….txt or .zip"
