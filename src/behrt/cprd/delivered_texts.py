"""The texts of one delivered file: which of them are parts, by name and path, and of which table.

Every name is judged by `_judged`, whether it is of a loose file, a link or a member of a zip: a
file that bears a source table's name is read, or is an error that names it.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from behrt.cprd.container import open_archive, open_text
from behrt.cprd.databases import DATABASES
from behrt.cprd.file_names import ARCHIVES, Named, Promise, borne_by, names_another, promise_of
from behrt.errors import InputError

_CHUNK = 2**20
_BEGINNING = 2**14
_LONGEST_SHOWN = 120


@dataclass(frozen=True)
class DeliveredText:
    """A delivered text before its part is numbered."""

    source_table: str
    number: str
    path: Path
    member: str | None
    size: int
    checksum: int | None  # a zip's own; None for a loose file

    def beginning(self) -> bytes | None:
        """Return a hash that texts with the same rows have in common; None if it has no row."""
        with open_text(self.path, self.member) as text:
            header, rows = text.line(), text.read(_BEGINNING)
            if not rows.strip() and len(header) + len(rows) >= self.size:
                return None
            return hashlib.sha256(b"%d\0%b%b" % (self.size, header, rows)).digest()

    def same_text(self, other: "DeliveredText") -> bool:
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


class PassedOverError(Exception):
    """A file bears a source table's name, and is not read on purpose."""


@dataclass(frozen=True)
class _Text:
    """A text that may be a part: what its name states, and where it is; see `DeliveredText`."""

    promise: Promise
    member: str | None
    size: int
    checksum: int | None


def texts_in(
    path: Path,
    relative: Path,
    names: Named,
    database: str,
    stems: dict[Path, Path],
    problems: list[InputError],
) -> list[DeliveredText]:
    """Return the texts of a file that are parts: itself, or those in a zip.

    `problems` receives those of the members of a zip that is not itself a part.

    Raises:
        InputError: it bears a source table's name, and cannot be read.
        PassedOverError: it is of another database, or `delivery.files` replaces it.
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
        raise PassedOverError
    if kept and promise is not None:
        _refuse_twin(path, relative, stems)
    return [
        DeliveredText(
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
            entries = [entry for entry in archive.infolist() if not _is_folder_or_added(entry)]
    except InputError:
        if promise is None and names_another(relative, database):
            raise PassedOverError from None
        raise
    judged: list[tuple[zipfile.ZipInfo, Promise | None]] = []
    passed_over = False
    for entry in entries:
        try:
            inside = _member_path(entry.filename, relative)
            judged.append((entry, _judged(inside, names, database, relative)))
        except PassedOverError:
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
        raise PassedOverError
    return texts


def _judged(
    path: PurePath, names: Named, database: str, archive: Path | None = None
) -> Promise | None:
    """Return the part that a file or a zip's member holds, by its name; None if it is not a part.

    Raises:
        InputError: it bears a source table's name, and would not be read.
        PassedOverError: `delivery.files` names other files of its table.
    """
    whole = path if archive is None else archive / path
    promise = promise_of(path.name, database)
    suffix = path.suffix.lower()
    readable = promise is not None and not (archive and suffix != ".txt")
    borne = promise.source_table if promise else borne_by(path.name, database)
    if borne is not None and names.replaces(borne):
        raise PassedOverError
    if readable and not path.name.startswith("."):
        return promise
    where = whole.as_posix() if archive is None else f"{archive.as_posix()}, {_shown(path)}"
    if borne is not None:
        if names_another(whole, database):
            raise PassedOverError
        raise InputError(
            where,
            f"it bears the name of the source table {borne}, but would not be read: it is hidden, "
            "or not packed or numbered as CPRD's files are",
            "Unpack it, give it CPRD's name (…_Extract_<Table>_001.txt for the database's own "
            "tables), or move it out of the folder",
        )
    if archive is not None and suffix in ARCHIVES:
        if names_another(whole, database):
            raise PassedOverError
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


def _is_folder_or_added(entry: zipfile.ZipInfo) -> bool:
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
