"""What the name of a delivered file states: which source table it holds, and which part of it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import PurePath

from behrt.cprd.databases import DATABASES
from behrt.cprd.layout import SourceTable
from behrt.errors import InputError

ARCHIVES = (".zip", ".7z", ".gz", ".tgz", ".tar", ".rar", ".bz2", ".xz", ".zst", ".lz4", ".z")
# Documents, checksums and programs next to a delivery hold no rows, whatever their names.
_WITHOUT_ROWS = (
    *(".pdf", ".doc", ".docx", ".rtf", ".odt", ".ppt", ".pptx", ".htm", ".html", ".md", ".rst"),
    *(".md5", ".sha1", ".sha256", ".sha512", ".asc", ".sig", ".crc", ".log"),
    *(".sql", ".py", ".r", ".rmd", ".do", ".sas", ".sh", ".ipynb", ".json", ".yaml", ".yml"),
    *(".xml", ".toml", ".ini", ".png", ".jpg"),
)


@dataclass(frozen=True)
class Promise:
    """What a file's name promises.

    Attributes:
        source_table: the source table that the file holds.
        number: CPRD's number of the part, three digits or more; "001" for a file without one.
    """

    source_table: str
    number: str


@dataclass(frozen=True)
class _Patterns:
    """How the files of a database's delivery are named.

    Attributes:
        numbered, others: of its own source tables, and of linked tables and look-ups.
        bearing: of any file that bears the name of a source table, however it is written.
        spellings: in lower case without other marks, and the source table that each means.
    """

    numbered: re.Pattern[str]
    others: re.Pattern[str]
    bearing: re.Pattern[str]
    spellings: Mapping[str, str]


@cache
def _patterns(database: str) -> _Patterns:
    def spelt(source_tables: Mapping[str, SourceTable]) -> list[str]:
        return [name for entry in source_tables.values() for name in (entry.name, *entry.also)]

    known = DATABASES[database]
    numbered, others = spelt(known.numbered), spelt(known.others)
    loosely = [name.replace("_", "[^a-z0-9]*") for name in others]
    patterns = (
        rf"(?:^|_)extract_(?P<table>{'|'.join(numbered)})_(?P<part>\d{{3,}})\.(?:txt|zip)$",
        rf"(?:^|_)(?P<table>{'|'.join(others)})(?:_.*)?\.(?:txt|zip)$",
        rf"(?:extract[^a-z0-9]*(?P<own>{'|'.join(numbered)})s?"
        rf"|(?<![a-z])(?P<linked>{'|'.join(loosely)}))(?![a-z])",
    )
    spellings = {
        _letters(spelling): entry.name
        for entry in known.source_tables.values()
        for spelling in (entry.name, *entry.also)
    }
    own, linked, bearing = (re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    return _Patterns(own, linked, bearing, spellings)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def promise_of(name: str, database: str) -> Promise | None:
    """Return what a name in CPRD's form promises; None for any other name.

    >>> promise_of("20_000228_ch1_Extract_Clinical_012.zip", "gold")
    Promise(source_table='clinical', number='012')
    >>> promise_of("hes_diagnosis_hosp_16_049R.txt", "gold")
    Promise(source_table='hes_diagnosis_hosp', number='001')
    """
    patterns = _patterns(database)
    match = patterns.numbered.search(name) or patterns.others.search(name)
    if match is None:
        return None
    source_table = patterns.spellings[_letters(match["table"])]
    return Promise(source_table, match.groupdict().get("part") or "001")


def borne_by(name: str, database: str) -> str | None:
    """Return the source table whose name a file bears, in whatever form; None for no such file.

    A document or a checksum is not such a file.

    >>> borne_by("x_Extract_Clinical_002.csv", "gold")
    'clinical'
    >>> borne_by("Copy of hes-hospital (2).txt.gz", "gold")
    'hes_hospital'
    """
    patterns = _patterns(database)
    match = patterns.bearing.search(name)
    if match is None or PurePath(name).suffix.lower() in _WITHOUT_ROWS:
        return None
    return patterns.spellings[_letters(match["own"] or match["linked"])]


def names_another(path: PurePath, database: str) -> str | None:
    """Return another of CPRD's databases that a folder or file of the path names, or None.

    A whole word names a database: `GOLD_linked` does, `golden_copy` does not. A folder or file that
    names this database too is not of another one.

    >>> from pathlib import PurePosixPath
    >>> names_another(PurePosixPath("GOLD_linked/hes_hospital_1.txt"), "aurum")
    'gold'
    >>> names_another(PurePosixPath("golden_copy/hes_hospital_1.txt"), "aurum")
    """
    for piece in path.parts:
        if not _names(piece, database):
            for other in DATABASES:
                if other != database and _names(piece, other):
                    return other
    return None


def _names(piece: str, database: str) -> bool:
    """Return whether a word of a file's or folder's name is a database's, also in `GOLDlinked`."""
    upper, title = database.upper(), database.capitalize()
    start = r"(?:(?<![A-Za-z])|(?<=CPRD)|(?<=cprd))"
    word = rf"{start}(?:(?:{database}|{title})(?![a-z])|{upper}(?![A-Z]))"
    return re.search(word, piece) is not None


@dataclass(frozen=True)
class Named:
    """The files whose names only the configuration states (`delivery.files`).

    Attributes:
        patterns: pairs of a source table and a pattern of its files' paths below the delivery.
    """

    patterns: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, str | Sequence[str]] | None, database: str) -> "Named":
        """Read the configuration's `delivery.files`.

        Raises:
            InputError: the database has no such source table.
        """
        known = DATABASES[database]
        for source_table in values or {}:
            if source_table not in known.source_tables:
                raise InputError(
                    "config, delivery.files",
                    f"{known.title} has no table {source_table}",
                    "Remove this entry",
                )
        return cls(
            tuple(
                (source_table, pattern)
                for source_table, given in (values or {}).items()
                for pattern in ([given] if isinstance(given, str) else given)
            )
        )

    def require_files(self, paths: Iterable[PurePath]) -> None:
        """Raise an InputError for the first pattern that no path matches."""
        known = list(paths)
        for _, pattern in self.patterns:
            if not any(_matches(path, pattern) for path in known):
                raise InputError(
                    "config, delivery.files", f"no file is named {pattern}", "Correct the pattern"
                )

    def promise_of(self, path: PurePath) -> Promise | None:
        """Return which table and part a path holds, by the patterns.

        Raises:
            InputError: patterns of two source tables match it.
        """
        found = sorted({entry for entry, pattern in self.patterns if _matches(path, pattern)})
        if len(found) > 1:
            raise InputError(
                path.as_posix(),
                f"named as {' and '.join(found)}",
                "Correct delivery.files in the configuration",
            )
        return Promise(found[0], _number(path.stem)) if found else None

    def replaces(self, source_table: str) -> bool:
        """Return whether the patterns take the place of CPRD's names for a source table."""
        return any(entry == source_table for entry, _ in self.patterns)


def _matches(path: PurePath, pattern: str) -> bool:
    return fnmatch(path.as_posix().lower(), pattern.lower())


def _number(stem: str) -> str:
    """Return the part's number at the end of a name from the configuration, else 001."""
    match = re.search(r"(?<!\d)\d{3}$", stem)
    return match[0] if match else "001"


def file_pattern(source_table: str, database: str = "gold") -> str:
    """Return how CPRD names the files of a source table."""
    if source_table in DATABASES[database].numbered:
        return f"…_Extract_{source_table.capitalize()}_001.zip or .txt"
    return f"…{source_table}….txt or .zip"
