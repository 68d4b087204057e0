"""Finding the parts of a delivery: which file, or zip member, holds which part of which table."""

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from behrt.cprd.layout import GOLD, LINKED
from behrt.errors import InputError

_GOLD_NAME = re.compile(
    rf"(?:^|_)extract_(?P<table>{'|'.join(GOLD)})_(?P<part>\d{{3}})\.(?:txt|zip)$", re.IGNORECASE
)
_LINKED_NAME = re.compile(
    rf"(?:^|_)(?P<table>{'|'.join(LINKED)})(?:_.*)?\.(?:txt|zip)$", re.IGNORECASE
)

# What bears a table's name but cannot be taken would otherwise be missed without a word.
_UNUSABLE_NAME = re.compile(
    rf"(?:^|_)(?:extract_(?:{'|'.join(GOLD)})|{'|'.join(LINKED)})(?:_.*)?"
    r"\.(?:txt|zip|7z|gz|rar|bz2|xz)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Part:
    """One delivered file.

    Attributes:
        table: name of the table, as in `behrt.cprd.layout.TABLES`.
        part: three digits: CPRD's number, "001" for a file without one.
        path: the .txt or .zip file.
        member: name of the .txt inside the zip; None for a loose .txt.
    """

    table: str
    part: str
    path: Path
    member: str | None


def find_parts(folder: Path, problems: list[InputError] | None = None) -> list[Part]:
    """List the parts of a CPRD GOLD delivery, sorted by table and part.

    Files are known by name alone, case ignored, in sub-folders too: `…_Extract_<Table>_<NNN>`
    for GOLD; `[…_]<table>[_…]` for linkage, HES and ONS files. Files of CPRD Aurum and any other
    name are passed over. Where two deliveries in one folder number their parts alike, the parts
    of that table are numbered anew in the order of their paths.

    Args:
        folder: where the files are.
        problems: if given, takes what is wrong with a file; the file is then left out.

    Raises:
        InputError: no such folder; without `problems`, one file delivered both zipped and loose, a
            table's file packed otherwise or not numbered, or a zip that cannot be opened or does
            not hold exactly one .txt.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            folder, "no such folder", "Set `delivery` to the folder CPRD's files are in"
        )
    found: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    stems: dict[Path, Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(piece.startswith((".", "__MACOSX")) for piece in relative.parts):
            continue
        match = _GOLD_NAME.search(path.name) or _LINKED_NAME.search(path.name)
        if "aurum" in path.name.lower() or not path.is_file():
            continue
        if match is None:
            if _UNUSABLE_NAME.search(path.name):
                error = InputError(
                    relative,
                    "it bears a table's name, but is not packed or numbered as CPRD's files are",
                    "Unpack it, give it CPRD's name (…_Extract_<Table>_001.txt for GOLD), or move "
                    "it out of the folder",
                )
                _raise_or_keep(error, problems)
            continue
        twin = stems.setdefault(path.with_suffix(""), path)
        if twin != path:
            error = InputError(
                relative, f"delivered twice, also as {twin.name}", "Keep one of the two files"
            )
            _raise_or_keep(error, problems)
            continue
        number = match.groupdict().get("part") or "001"
        found[match["table"].lower()].append((number, path))
    parts = []
    for table, files in found.items():
        if len({number for number, _ in files}) < len(files):
            files = [(f"{index:03d}", path) for index, (_, path) in enumerate(files, start=1)]
        for number, path in files:
            try:
                parts.append(Part(table, number, path, _member(path)))
            except InputError as error:
                _raise_or_keep(error, problems)
    return sorted(parts)


def _raise_or_keep(error: InputError, problems: list[InputError] | None) -> None:
    if problems is None:
        raise error
    problems.append(error)


def require(parts: Iterable[Part], tables: Iterable[str], folder: Path) -> None:
    """Raise an InputError that lists every table of `tables` that has no part."""
    present = {part.table for part in parts}
    missing = [
        f"{table} ({file_pattern(table)})" for table in sorted(set(tables)) if table not in present
    ]
    if missing:
        raise InputError(
            folder, f"no file for {', '.join(missing)}", "Copy the missing files into the folder"
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


def _member(path: Path) -> str | None:
    if path.suffix.lower() != ".zip":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                name
                for name in archive.namelist()
                if name.lower().endswith(".txt") and not name.startswith("__MACOSX")
            ]
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(path.name, "not a readable zip file", "Copy the file again") from error
    if len(members) != 1:
        raise InputError(
            path.name, f"holds {len(members)} .txt files, not one", "Deliver one part a zip file"
        )
    return members[0]
