"""The parts of a delivery: which file, or member of a zip, holds which part of which table."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from behrt.batches import by_first
from behrt.cprd.databases import DATABASES, OPTIONAL, losses
from behrt.cprd.delivered_texts import DeliveredText, PassedOverError, texts_in
from behrt.cprd.file_names import (
    Named,
    file_pattern,
    names_another,
    promise_of,
)
from behrt.errors import InputError


@dataclass(frozen=True, order=True)
class DeliveredPart:
    """One part of a source table.

    Attributes:
        source_table: its name, as in `behrt.cprd.databases`.
        part: three digits or more: CPRD's number, "001" for a file without one.
        path: the .txt or .zip file.
        member: name of the .txt inside the zip; None for a loose .txt.
        size: bytes of text, unpacked; of a file that is not there yet, approximately.
    """

    source_table: str
    part: str
    path: Path
    member: str | None
    size: int = field(default=0, compare=False)


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
    found: dict[str, list[DeliveredText]] = defaultdict(list)
    stems: dict[Path, Path] = {}
    for path, relative in paths.items():
        try:
            texts = texts_in(path, relative, names, database, stems, result.problems)
            for file in texts:
                found[file.source_table].append(file)
            if not texts and not path.name.startswith("."):
                result.others.append(relative.as_posix())
        except PassedOverError:
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
            result.parts.append(
                DeliveredPart(source_table, number, file.path, file.member, file.size)
            )
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


def _refuse_repeated(files: Sequence[DeliveredText], folder: Path) -> None:
    sizes: dict[int, list[DeliveredText]] = defaultdict(list)
    for file in files:
        sizes[file.size].append(file)
    # Each file of a size is opened once; only those that begin alike are compared in pairs.
    beginnings: dict[bytes, list[DeliveredText]] = defaultdict(list)
    for alike in sizes.values():
        for file in alike if len(alike) > 1 else ():
            if beginning := file.beginning():
                beginnings[beginning].append(file)
    for alike in beginnings.values():
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


Batches = dict[tuple[str, str], tuple[DeliveredPart, ...]]
"""Parts that one job reads, by source table and number of the first."""


def batches_of(parts: Iterable[DeliveredPart], megabytes: float) -> Batches:
    """Return the parts that are read together.

    Args:
        parts: as `find_parts` returns them.
        megabytes: the least text of a batch (`behrt.batches`); 0 for one part in each.
    """
    return by_first(
        parts,
        table=lambda part: part.source_table,
        name=lambda part: part.part,
        size=lambda part: part.size,
        megabytes=megabytes,
    )


def paths_of(
    source_table: str, number: str, batches: Batches, fault: InputError | None
) -> list[Path]:
    """Return the files of a batch, by table and number of its first part.

    Raises:
        InputError: the delivery's fault, if it has one.
    """
    if fault is not None:
        raise fault
    return [part.path for part in batches[source_table, number]]
