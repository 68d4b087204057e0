"""The parts of a delivery: which file, or which member of a zip, holds which part of which table.

Every name is judged by `_judged`, whether it is of a loose file, a link or a member of a zip: a
file that bears a source table's name is read, or is an error that names it.
"""

import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path, PurePath, PurePosixPath

from behrt.cprd.container import open_archive, open_text
from behrt.cprd.databases import DATABASES, OPTIONAL, losses
from behrt.cprd.file_names import (
    ARCHIVES,
    Named,
    Promise,
    borne_by,
    file_pattern,
    names_another,
    promise_of,
)
from behrt.errors import InputError

_CHUNK = 2**20
_LONGEST_SHOWN = 120


@dataclass(frozen=True, order=True)
class DeliveredPart:
    """One part of a source table.

    Attributes:
        source_table: its name, as in `behrt.cprd.databases`.
        part: three digits or more: CPRD's number, "001" for a file without one.
        path: the .txt or .zip file.
        member: name of the .txt inside the zip; None for a loose .txt.
    """

    source_table: str
    part: str
    path: Path
    member: str | None


@dataclass
class Survey:
    """What a folder holds.

    Attributes:
        parts: of source tables, sorted by table and number.
        problems: the files that bear a source table's name and cannot be read, and why.
        passed_over: the files, below the folder, that bear a source table's name and are not read
            on purpose: those of CPRD's other database, and those that `delivery.files` replaces.
        others: all other files.
    """

    parts: list[DeliveredPart] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


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
        """Return whether both hold the same rows, and at least one."""
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


class _PassedOverError(Exception):
    """A file bears a source table's name, and is not read on purpose."""


def find_parts(
    folder: Path,
    named: Mapping[str, str | Sequence[str]] | None = None,
    database: str = "gold",
) -> list[DeliveredPart]:
    """List the parts of a CPRD delivery, sorted by source table and part.

    Arguments are those of `survey`.

    Raises:
        InputError: as `survey`, and the first of its problems.
    """
    found = survey(folder, named, database)
    if found.problems:
        raise found.problems[0]
    return found.parts


def survey(
    folder: Path,
    named: Mapping[str, str | Sequence[str]] | None = None,
    database: str = "gold",
) -> Survey:
    """Find the parts of a CPRD delivery, and what stands in the way of others.

    Files are recognised by name, case ignored, in sub-folders too: `…_Extract_<Table>_<NNN>` for
    the database's own tables; `[…_]<table>[_…]` for linkage, HES and ONS files and look-ups; and
    so are the .txt members of a zip of any other name. A problem is

    * a file, a link or a member of a zip that bears a source table's name in another form
      (another suffix, no number, a hidden file) or is in another container (.gz, a zip in a zip);
    * a link to nothing, whatever its name, as it may have led to a folder of parts;
    * the same rows twice, a file both zipped and loose, a zip that cannot be opened, that bears a
      source table's name and does not hold one .txt of that table, or with a path that leads out
      of the zip.

    A file that names CPRD's other database, as its folder may, is passed over; not so if the table
    or its columns are this database's own. Where two deliveries in one folder number their parts
    alike, the parts of that table are numbered again in the order of their paths.

    Args:
        folder: of the delivery.
        named: for a source table, patterns (`p123_Patient*.txt`) of its files' paths below the
            folder, in place of the names above.
        database: a key of `behrt.cprd.databases.DATABASES`.

    Raises:
        InputError: there is no such folder, or a folder cannot be listed; no file matches a
            pattern, or the pattern is for a table that the database lacks.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            folder, "no such folder", "Set `delivery.folder` to the folder with CPRD's files"
        )
    names = Named.read(named, database)
    paths = {path: path.relative_to(folder) for path in _walk(folder)}
    names.require_files(paths.values())
    result = Survey()
    found: dict[str, list[_File]] = defaultdict(list)
    stems: dict[Path, Path] = {}
    for path, relative in paths.items():
        try:
            texts = _texts(path, relative, names, database, stems, result.problems)
            for file in texts:
                found[file.source_table].append(file)
            if not texts and not path.name.startswith("."):
                result.others.append(relative.as_posix())
        except _PassedOverError:
            result.passed_over.append(relative.as_posix())
        except InputError as error:
            result.problems.append(error)
    for source_table, files in found.items():
        if not DATABASES[database].source_tables[source_table].whole_build:
            try:
                _refuse_repeated(files, folder)
            except InputError as error:
                result.problems.append(error)
        again = len({file.number for file in files}) < len(files)
        for index, file in enumerate(files, start=1):
            number = f"{index:03d}" if again else file.number
            result.parts.append(DeliveredPart(source_table, number, file.path, file.member))
    result.parts.sort()
    return result


def list_files(folder: Path) -> list[Path]:
    """Return every file below a folder that can be opened, sorted; none without the folder."""
    return [path for path in _walk(folder) if path.is_file()] if Path(folder).is_dir() else []


def _walk(folder: Path) -> Iterator[Path]:
    """Yield what is below a folder, sorted, but for folders; links to folders are followed.

    Hidden folders are left out, and the files that macOS and office programs add.

    Raises:
        InputError: a folder cannot be listed.
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
        paths += [Path(place, name) for name in names if not name.startswith(("._", "~$"))]
    yield from sorted(paths)


@dataclass(frozen=True)
class _Text:
    """A text that may be a part: what its name states, and where it is; see `_File`."""

    promise: Promise
    member: str | None
    size: int
    checksum: int | None


def _texts(
    path: Path,
    relative: Path,
    names: Named,
    database: str,
    stems: dict[Path, Path],
    problems: list[InputError],
) -> list[_File]:
    """Return the texts of a file that are parts: itself, or those in a zip.

    `problems` receives those of the members of a zip that is not itself a part.

    Raises:
        InputError: it bears a source table's name, and cannot be read.
        _PassedOverError: it is of another database, or `delivery.files` replaces it.
    """
    if path.is_symlink() and not path.exists():
        raise InputError(
            relative.as_posix(),
            "a link to a file or folder that is not there",
            "Copy or mount what it links to, or remove the link",
        )
    promise = names.promise_of(relative) or _judged(relative, names, database)
    if promise is None and (path.name.startswith(".") or not path.is_file()):
        return []
    if not path.is_file():
        raise InputError(relative.as_posix(), "not a regular file", "Put CPRD's file in its place")
    if path.suffix.lower() == ".zip":
        texts = _members(path, relative, promise, names, database, problems)
    elif promise is not None:
        texts = [_Text(promise, None, path.stat().st_size, None)]
    else:
        texts = []
    kept = [text for text in texts if not _is_of_another(path, relative, text, database)]
    if texts and not kept:
        raise _PassedOverError
    if kept and promise is not None:
        _refuse_twin(path, relative, stems)
    return [
        _File(
            text.promise.source_table,
            text.promise.number,
            path,
            text.member,
            text.size,
            text.checksum,
        )
        for text in kept
    ]


def _members(
    path: Path,
    relative: Path,
    promise: Promise | None,
    names: Named,
    database: str,
    problems: list[InputError],
) -> list[_Text]:
    """Return the texts in a zip that may be parts; `promise` is that of the zip's own name."""
    try:
        with open_archive(path) as archive:
            entries = [entry for entry in archive.infolist() if not _is_beside(entry)]
    except InputError:
        if promise is None and names_another(relative, database):
            raise _PassedOverError from None
        raise
    judged: list[tuple[zipfile.ZipInfo, Promise | None]] = []
    passed_over = False
    for entry in entries:
        try:
            inside = _member_path(entry.filename, relative)
            judged.append((entry, _judged(inside, names, database, relative)))
        except _PassedOverError:
            passed_over = True
        except InputError as error:
            if promise is not None:
                raise
            problems.append(error)
    if promise is not None:
        held_texts = [entry for entry in entries if entry.filename.lower().endswith(".txt")]
        if len(held_texts) != 1:
            raise InputError(
                relative.as_posix(),
                f"holds {len(held_texts)} .txt files, not one",
                "Deliver one part in each zip file",
            )
        others = {held.source_table for _, held in judged if held} - {promise.source_table}
        if others:
            raise InputError(
                relative.as_posix(),
                f"named as {promise.source_table}, but holds {', '.join(sorted(others))}",
                "Give the zip the name of what it holds",
            )
        judged = [(held_texts[0], promise)]
    texts = [
        _Text(held, entry.filename, entry.file_size, entry.CRC)
        for entry, held in judged
        if held is not None
    ]
    if passed_over and not texts:
        raise _PassedOverError
    return texts


def _judged(
    path: PurePath, names: Named, database: str, archive: Path | None = None
) -> Promise | None:
    """Return what a file or a zip's member promises by its name; None if it is no part.

    Raises:
        InputError: it bears a source table's name, and would not be read.
        _PassedOverError: `delivery.files` names other files of its table.
    """
    whole = path if archive is None else archive / path
    promise = promise_of(path.name, database)
    suffix = path.suffix.lower()
    readable = promise is not None and not (archive and suffix != ".txt")
    borne = promise.source_table if promise else borne_by(path.name, database)
    if borne is not None and names.replaces(borne):
        raise _PassedOverError
    if readable and not path.name.startswith("."):
        return promise
    where = whole.as_posix() if archive is None else f"{archive.as_posix()}, {_shown(path)}"
    if borne is not None:
        if names_another(whole, database):
            raise _PassedOverError
        raise InputError(
            where,
            f"it bears the name of the source table {borne}, but would not be read: it is hidden, "
            "or not packed or numbered as CPRD's files are",
            "Unpack it, give it CPRD's name (…_Extract_<Table>_001.txt for the database's own "
            "tables), or move it out of the folder",
        )
    if archive is not None and suffix in ARCHIVES:
        if names_another(whole, database):
            raise _PassedOverError
        raise InputError(
            where, "an archive inside a zip, which is not read", "Unpack the outer zip"
        )
    return None


def _is_of_another(path: Path, relative: Path, text: _Text, database: str) -> bool:
    """Return whether a part is of CPRD's other database, which its path names.

    Raises:
        InputError: its path names the other database, but its table or its columns are this one's.
    """
    whole = relative / (text.member or "")
    named = names_another(whole, database)
    if named is None:
        return False
    this, other = DATABASES[database], DATABASES[named]
    name = text.promise.source_table
    if name in this.numbered:
        own = this.numbered[name].known() - _columns_of(named, name)
        if name not in other.numbered or own & _header(path, text.member):
            raise InputError(
                relative.as_posix(),
                f"its path names {other.title}, but it is a part of {this.title}",
                "Rename the folder or the file",
            )
    return True


def _columns_of(database: str, source_table: str) -> set[str]:
    entry = DATABASES[database].numbered.get(source_table)
    return set() if entry is None else entry.known()


def _header(path: Path, member: str | None) -> set[str]:
    """Return the column names, lower case, in a text's first line; none if it cannot be read."""
    try:
        with open_text(path, member) as text:
            line = text.line()
    except InputError:
        return set()
    names = line.decode("utf-8-sig", "replace").lower().split("\t")
    return {name.strip().removeprefix("e_") for name in names}


def _is_beside(entry: zipfile.ZipInfo) -> bool:
    """Return whether a zip's entry is a folder, or a file that macOS adds."""
    path = PurePosixPath(entry.filename)
    return entry.is_dir() or path.name.startswith("._") or path.parts[:1] == ("__MACOSX",)


def _shown(path: PurePath) -> str:
    """Return the name of a zip's member for an error: a damaged directory may hold rows there."""
    name = path.name
    plain = all(letter.isalnum() or letter in " ._-()+" for letter in name)
    return name if plain and len(name) <= _LONGEST_SHOWN else "one of its members"


def _member_path(member: str, archive: Path) -> PurePosixPath:
    """Return a member's path, refusing one that leads out of the folder it would be unpacked to."""
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        raise InputError(
            archive.as_posix(),
            "a file in it has a path that leads out of the zip",
            "Do not unpack it; ask the sender what it is",
        )
    return path


def _refuse_twin(path: Path, relative: Path, stems: dict[Path, Path]) -> None:
    twin = stems.setdefault(path.with_suffix(""), path)
    if twin != path:
        raise InputError(
            relative.as_posix(),
            f"delivered twice, also as {twin.name}",
            "Keep one of the two files",
        )


def _refuse_repeated(files: Sequence[_File], folder: Path) -> None:
    sizes: dict[int, list[_File]] = defaultdict(list)
    for file in files:
        sizes[file.size].append(file)
    for alike in sizes.values():
        for one, two in combinations(alike, 2):
            if one.same_text(two):
                raise InputError(
                    two.path.relative_to(folder).as_posix(),
                    f"the same rows as in {one.path.relative_to(folder).as_posix()}",
                    "Keep one of the two files",
                )


def require(
    parts: Iterable[DeliveredPart],
    source_tables: Iterable[str],
    folder: Path,
    database: str = "gold",
) -> None:
    """Raise an InputError that lists every source table that has no part.

    It names what the configuration can do about it, and CPRD's other database if the folder holds
    a delivery of it.
    """
    source_tables = set(source_tables)
    present = {part.source_table for part in parts}
    missing = [
        f"{source_table} ({file_pattern(source_table, database)})"
        for source_table in sorted(source_tables)
        if source_table not in present
    ]
    if missing:
        names = {source_table for source_table in source_tables if source_table not in present}
        advice = "Copy the missing files into the folder, or give their names in delivery.files"
        if names & set(OPTIONAL):
            lost = " and ".join(losses(sorted(names & set(OPTIONAL))))
            advice += f", or name them in delivery.without to do without {lost}"
        if "linkage_coverage" in names:
            advice += ", or set cohort.hes_start and cohort.hes_end"
        others = [
            f"; it holds files of {other.title}: for these, set `database: {other.name}`"
            for other in DATABASES.values()
            if other.name != database and _holds(folder, other.name)
        ]
        raise InputError(
            folder,
            f"no file for {', '.join(missing)}",
            advice + "".join(others),
        )


def _holds(folder: Path, database: str) -> bool:
    """Return whether a folder has a file of a source table that only this database has."""
    shared = set.intersection(*(set(other.source_tables) for other in DATABASES.values()))
    found = (
        promise_of(path.name, database)
        for path in _walk(folder)
        if not names_another(path.relative_to(folder), database)
    )
    return any(promise is not None and promise.source_table not in shared for promise in found)


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
