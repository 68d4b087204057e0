"""CPRD's look-ups of products, entity types and units: which a run needs, and how they are read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from behrt.concepts import concepts_in
from behrt.cprd.container import open_archive, open_text
from behrt.cprd.delivery import list_files
from behrt.cprd.text import as_utf8, split_columns
from behrt.errors import InputError

NEEDED = {
    "gold": {
        "medications": ("product",),
        "procedures": (),
        "tests": ("entity", "OPR", "SUM", "TQU"),
        "measurements": ("entity", "YND"),
    },
    "aurum": {
        "medications": ("product",),
        "procedures": (),
        "tests": ("NumUnit",),
        "measurements": ("NumUnit",),
    },
}
"""The look-ups of each input, by database; the names are those of `concepts.look_ups`."""

_FILES = {
    "gold": {
        "medical": "medical",
        "product": "product",
        "entity": "entity",
        "OPR": "opr",
        "SUM": "sum",
        "TQU": "tqu",
        "YND": "ynd",
    },
    "aurum": {
        "product": "(.*_)?(emisproductdictionary|cprdaurumproduct)(_.*)?",
        "NumUnit": "numunit",
    },
}
_SHOWN = {
    "gold": {
        "medical": "medical.txt",
        "product": "product.txt",
        "entity": "entity.txt",
        **{name: f"TXTFILES/{name}.txt" for name in ("OPR", "SUM", "TQU", "YND")},
    },
    "aurum": {"product": "…EMISProductDictionary….txt", "NumUnit": "NumUnit.txt"},
}
_LARGEST = 512 * 2**20
"""Bytes; the dictionaries have some tens of megabytes."""


@dataclass(frozen=True)
class LookUpFile:
    """Where a look-up is.

    Attributes:
        path: the .txt or .zip file.
        member: name of the .txt in a zip; None for a loose .txt.
        name: a key of `concepts.look_ups`, for errors.
    """

    path: Path
    member: str | None = None
    name: str = ""


def needed(database: str, inputs: Sequence[str]) -> dict[str, list[str]]:
    """Return the look-ups that a run needs, and the inputs that need each.

    >>> needed("gold", ["diagnoses", "medications"])
    {'product': ['medications']}
    """
    found: dict[str, list[str]] = {}
    for concept in concepts_in(inputs):
        for name in NEEDED[database][concept]:
            found.setdefault(name, []).append(concept)
    return found


def find_look_ups(
    folder: Path, database: str, inputs: Sequence[str], named: Mapping[str, str]
) -> dict[str, LookUpFile]:
    """Find the look-ups that a run needs by their names, in the delivery's folder or in a zip.

    Args:
        folder: of the delivery.
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: the configuration's `inputs`.
        named: its `concepts.look_ups`: paths that take the place of those in the folder.

    Raises:
        InputError: a look-up is not there, or is there twice.
    """
    wanted = needed(database, inputs)
    found = _find(folder, database, list(wanted), named)
    for name, files in found.items():
        _require_one(name, files, folder, database, wanted[name])
    return {name: files[0] for name, files in found.items()}


def find_medical(folder: Path, named: Mapping[str, str]) -> LookUpFile | None:
    """Find medical.txt of CPRD GOLD, which only the codes of the source need; None without it.

    Raises:
        InputError: it is there twice, or `concepts.look_ups` names a file that is not there.
    """
    found = _find(folder, "gold", ["medical"], named)["medical"]
    if found:
        _require_one("medical", found, folder, "gold", [])
    return found[0] if found else None


def _find(
    folder: Path, database: str, names: Sequence[str], named: Mapping[str, str]
) -> dict[str, list[LookUpFile]]:
    found: dict[str, list[LookUpFile]] = {name: [] for name in names}
    unnamed = {name for name in names if name not in named}
    for place in _texts(folder) if unnamed else ():
        stem = Path(place.member or place.path.name).stem.lower()
        for name in unnamed:
            if re.fullmatch(_FILES[database][name], stem):
                found[name].append(LookUpFile(place.path, place.member, name))
    for name in found.keys() - unnamed:
        if not Path(named[name]).is_file():
            raise InputError(
                f"config, concepts.look_ups.{name}",
                f"there is no file {named[name]}",
                "Correct the path",
            )
        found[name].append(LookUpFile(Path(named[name]), _only_text(Path(named[name])), name))
    return found


def _only_text(path: Path) -> str | None:
    """Return the name of the .txt in a zip; None for a file that is not a zip.

    Raises:
        InputError: it cannot be opened, or does not hold one .txt.
    """
    if path.suffix.lower() != ".zip":
        return None
    with open_archive(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".txt")]
    if len(names) != 1:
        raise InputError(
            path, f"holds {len(names)} .txt files, not one", "Unpack it, and name the file"
        )
    return names[0]


def _require_one(
    name: str, files: Sequence[LookUpFile], folder: Path, database: str, concepts: Sequence[str]
) -> None:
    shown, users = _SHOWN[database][name], " and ".join(concepts)
    if not files:
        raise InputError(
            folder,
            f"no file {shown}, which the input {users} needs",
            f"Copy CPRD's look-ups into the folder, set `concepts.look_ups.{name}` to the file, or "
            f"remove {users} from `inputs`",
        )
    if len(files) > 1:
        places = ", ".join(sorted(_shown(file, folder) for file in files)[:3])
        raise InputError(
            folder,
            f"{len(files)} files {shown} ({places})",
            f"Keep one, or set `concepts.look_ups.{name}` to it",
        )


def _shown(file: LookUpFile, folder: Path) -> str:
    path = file.path
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _texts(folder: Path) -> list[LookUpFile]:
    """Return the .txt files of a folder, and those in its zips that can be opened."""
    found = []
    for path in list_files(folder):
        if path.suffix.lower() == ".txt":
            found.append(LookUpFile(path))
        elif path.suffix.lower() == ".zip":
            try:
                with open_archive(path) as archive:
                    names = archive.namelist()
            except InputError:
                continue  # the search for source tables reports it
            found += [LookUpFile(path, name) for name in names if name.lower().endswith(".txt")]
    return found


def read_look_up(
    file: LookUpFile, columns: Mapping[str, Sequence[str]], optional: Sequence[str] = ()
) -> pl.DataFrame:
    """Read columns of a look-up as text; a blank is null.

    Lines before the header, which CPRD's code browsers write, are skipped. Marks and spaces in
    names of columns, and upper and lower case, make no difference.

    Args:
        file: the look-up.
        columns: for each column of the result, the names that it has, in lower case without marks.
        optional: columns of the result that may be missing; they are then null.

    Raises:
        InputError: it cannot be read, or lacks a column.
    """
    header, body = _lines(file)
    plain = [re.sub("[^a-z0-9]", "", name.lower()) for name in header]
    places = {}
    for column, names in columns.items():
        place = next((plain.index(name) for name in names if name in plain), None)
        if place is None and column not in optional:
            raise InputError(
                file.member or file.path.name,
                f"no column {' or '.join(names)} in the header line",
                f"Give CPRD's file in `concepts.look_ups.{file.name}`, with TABs between columns",
            )
        if place is not None:
            places[column] = str(place)
    fields = [str(place) for place in range(len(header))]
    read = split_columns(body, fields, list(dict.fromkeys(places.values()))).columns
    return read.select(
        pl.col(places[column]).alias(column)
        if column in places
        else pl.lit(None, pl.String).alias(column)
        for column in columns
    )


def read_codes(file: LookUpFile) -> dict[int, str]:
    """Read a look-up of codes: the first column is a number, the second the text it stands for.

    Raises:
        InputError: it cannot be read, or has no codes.
    """
    header, body = _lines(file)
    fields = [str(place) for place in range(len(header))]
    rows = split_columns(body, fields, fields[:2]).columns
    codes = rows.select(
        pl.col("0").cast(pl.Int64, strict=False), pl.col("1").fill_null("")
    ).drop_nulls("0")
    if codes.is_empty():
        raise InputError(
            file.member or file.path.name,
            "no code in its first column",
            f"Give CPRD's file in `concepts.look_ups.{file.name}`, with TABs between columns",
        )
    return dict(codes.iter_rows())


def _lines(file: LookUpFile) -> tuple[list[str], bytes]:
    """Return the names in the header line, and the lines after it, in UTF-8."""
    where = file.member or file.path.name
    with open_text(file.path, file.member) as text:
        if text.size > _LARGEST:
            raise InputError(
                where, "it is too large for a look-up", f"Correct concepts.look_ups.{file.name}"
            )
        raw = b"".join(iter(lambda: text.read(2**20), b""))
    utf8, _ = as_utf8(raw.removeprefix(b"\xef\xbb\xbf"), None)
    before, tab, after = utf8.partition(b"\t")
    start = before.rfind(b"\n") + 1
    line, _, body = (before[start:] + tab + after).partition(b"\n")
    if not tab:
        raise InputError(
            where,
            "it has no TABs",
            f"Give CPRD's file in `concepts.look_ups.{file.name}`, with TABs between columns",
        )
    if body and not body.endswith(b"\n"):
        body += b"\n"
    names = [name.strip() for name in line.decode(errors="replace").split("\t")]
    return names, body
