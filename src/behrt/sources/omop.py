"""The tables of the OMOP common data model (CDM 5) as records."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import polars as pl

from behrt.admissions import EMERGENCY_ROOM, EMERGENCY_SPELL, SPELL
from behrt.errors import InputError
from behrt.sources.records import (
    IMPOSSIBLE,
    DatasetFile,
    Tally,
    impossible,
    list_files,
    record,
    seen,
)
from behrt.sources.table_files import PARQUET, TEXT, is_parquet, is_read, read_columns
from behrt.sources.values import Kind, read_values

SOURCE_VALUE = "condition_source_value"
CONCEPT_ID = "condition_concept_id"
CODE_COLUMNS = (SOURCE_VALUE, CONCEPT_ID)
CONCEPT_PREFIX = "OMOP//"
CONCEPT = "concept"
ADMISSIONS = "admissions"

_SOURCE_CONCEPT = "condition_source_concept_id"
_DATABASES = (".duckdb", ".db", ".sqlite", ".sqlite3", ".mdb", ".accdb")
_HOSPITAL = {9201: SPELL, 262: EMERGENCY_SPELL, 9203: EMERGENCY_ROOM}
_SEXES = {8507: "male", 8532: "female"}
_PLACES = {
    9201: "HOSPITAL",  # inpatient
    262: "HOSPITAL",  # emergency room and inpatient
    9203: "EMERGENCY",
    9202: "OUTPATIENT",
}
_ID = "person_id"
_DECIMALS = ("value_as_number", "range_low", "range_high")


@dataclass(frozen=True)
class OmopTable:
    """A table of the CDM and how it becomes records.

    A column whose name ends in `_date` is read from the column of that name and, where that is
    blank or absent, from the one whose name ends in `_datetime`.

    Attributes:
        required: columns that the table must have.
        optional: columns that are read if the table has them.
        filled: columns that no row may leave blank.
        records: from the rows that are kept; `subject_id` Int64, whole numbers Int64, dates Date.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    filled: tuple[str, ...]
    records: Callable[[pl.DataFrame], pl.DataFrame]


def find_parts(folder: Path) -> list[DatasetFile]:
    """List the files of an OMOP folder that are read, sorted by table and path.

    A table is a file, as `condition_occurrence.parquet`, `.csv` or `.csv.gz`, or a folder of that
    name with such files; case does not matter. `person` and `condition_occurrence` must be there.

    Raises:
        InputError: there is no such folder; a table is missing or there twice; something bears a
            table's name and is not read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = _database(folder) if folder.is_file() else "there is no such folder"
        raise InputError(folder, problem, _FOLDER)
    parts = []
    for table in TABLES:
        files = find_table(folder, table)
        if not files and table in ("person", "condition_occurrence"):
            stored = [path for path in folder.iterdir() if path.suffix.lower() in _DATABASES]
            if stored:
                raise InputError(stored[0], _database(stored[0]), _FOLDER)
            raise InputError(folder, f"there is no {table}.parquet or {table}.csv", _FOLDER)
        parts += [
            DatasetFile(table, f"{index:03d}", path) for index, path in enumerate(files, start=1)
        ]
    return parts


_FOLDER = "Set `omop.folder` to a folder with each table as Parquet or CSV"


def _database(path: Path) -> str:
    kind = "a DuckDB database" if path.suffix.lower() == ".duckdb" else "a file, perhaps a database"
    return f"it is {kind}; only tables that were written out are read"


def find_table(folder: Path, table: str) -> list[Path]:
    """Return the files of one table; none if nothing in the folder bears its name.

    Raises:
        InputError: something bears the table's name and is not read, or the table is there twice.
    """
    others = _OTHER_TABLES.get(table, ())
    entries = [
        entry
        for entry in sorted(folder.iterdir())
        if re.fullmatch(rf"{table}([^a-z].*)?", entry.name.lower())
        and not entry.name.lower().startswith(others)
    ]
    for entry in entries:
        rest = entry.name.lower().removeprefix(table)
        if rest not in ("", *PARQUET, *TEXT) or (rest == "") != entry.is_dir():
            raise InputError(
                entry,
                f"it bears the name of the table {table}, but is not read",
                f"Name it {table}.parquet, {table}.csv or {table}.csv.gz, put the parts of a table "
                f"into a folder named {table}, or move it elsewhere",
            )
    if len(entries) > 1:
        raise InputError(
            folder,
            f"the table {table} is there twice: {', '.join(entry.name for entry in entries)}",
            "Keep one of them",
        )
    files = [path for entry in entries for path in _files(entry, table)]
    if len({is_parquet(path) for path in files}) > 1:
        raise InputError(
            entries[0], f"the table {table} is there as Parquet and as text", "Keep one of the two"
        )
    return files


_OTHER_TABLES = {
    CONCEPT: ("concept_ancestor", "concept_class", "concept_relationship", "concept_synonym"),
    "observation": ("observation_period",),
}
"""Tables whose names begin with that of another one."""


def find_concepts(folder: Path) -> dict[str, list[Path]]:
    """Return the files of the table concept as `concepts`; empty if it was not delivered."""
    files = find_table(Path(folder), CONCEPT)
    return {"concepts": files} if files else {}


def _files(entry: Path, table: str) -> Iterator[Path]:
    if entry.is_file():
        yield entry
        return
    if not entry.is_dir():
        raise InputError(entry, "the link leads to no file", "Copy the file itself, or remove it")
    for path in list_files(entry, "`omop.folder`"):
        if not is_read(path):
            raise InputError(
                path,
                f"it is in the folder of the table {table}, but is not read",
                f"Write it as one of {', '.join(PARQUET + TEXT)}, or move it elsewhere",
            )
        yield path


def read_batches(
    path: Path, table: str, code: str, tally: Tally, blank: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """Yield the records of a file, batch by batch.

    Args:
        path: as `behrt.sources.table_files.read_columns` takes it.
        table: a key of TABLES, or ADMISSIONS for the stays in hospital of visit_occurrence.
        code: which column of condition_occurrence is the diagnosis, one of CODE_COLUMNS.
        tally: counts the rows.
        blank: texts that stand for no value.

    Raises:
        InputError: the file cannot be read, or a column is missing or of an unusable type.
    """
    layout = HOSPITAL if table == ADMISSIONS else TABLES[table]
    if table == "condition_occurrence":
        layout = replace(layout, required=(*layout.required, code))
    further = {"birth_date": ("birth_datetime",)} if table == "person" else {}
    for rows in read_rows(path, layout, tally, blank, further):
        yield layout.records(rows)


def read_rows(
    path: Path,
    layout: OmopTable,
    tally: Tally,
    blank: Sequence[str] = (),
    further: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file that can be used, batch by batch, as `OmopTable.records` takes them.

    Args:
        path, tally, blank: as `read_batches` takes them.
        layout: of the table.
        further: other columns that are read if the table has them, and their names in it.

    Raises:
        InputError: as `read_batches` does.
    """
    columns = {name: _names_of(name) for name in (*layout.required, *layout.optional)}
    columns |= further
    for batch in read_columns(path, columns, layout.required, tally, blank):
        typed, texts = _typed(batch, columns, path)
        yield _kept(typed, texts, layout, tally)


def _names_of(column: str) -> tuple[str, ...]:
    if column.endswith("_date"):
        return (column, f"{column}time")
    return (column,)


def _kind(column: str) -> Kind:
    if column.endswith("_source_value"):
        return "text"
    if column in _DECIMALS:
        return "decimal"
    return "date" if column.endswith("_date") else "number"


def _typed(
    batch: pl.DataFrame, columns: dict[str, tuple[str, ...]], path: Path
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the typed columns, and for each the name of the column with its unreadable text."""
    made: list[pl.Series] = []
    texts: dict[str, str] = {}
    for column, names in columns.items():
        read = [
            read_values(batch[name], _kind(column), str(path))
            for name in names
            if name in batch.columns
        ]
        if not read:
            continue
        value, unreadable = read[0]["value"], read[0]["unreadable"]
        for other in read[1:]:
            fills = value.is_null() & unreadable.is_null()
            value = other["value"].zip_with(fills, value)
            unreadable = other["unreadable"].zip_with(fills, unreadable)
        texts[column] = f"{column}, unreadable"
        made += [value.alias(column), unreadable.alias(texts[column])]
    return pl.DataFrame(made), texts


def _kept(
    rows: pl.DataFrame, texts: dict[str, str], layout: OmopTable, tally: Tally
) -> pl.DataFrame:
    """Return the rows whose values can be read, are there where needed, and are possible."""
    reasons, shown = {}, {}
    for column, text in texts.items():
        if column in layout.filled:
            blank = pl.col(column).is_null() & pl.col(text).is_null()
            reasons[f"blank {column}"] = blank
        reasons[f"unreadable {column}"] = pl.col(text).is_not_null()
        shown[f"unreadable {column}"] = text
    dates = [column for column in texts if column.endswith("_date")]
    reasons[IMPOSSIBLE] = pl.any_horizontal(pl.lit(False), *(impossible(pl.col(d)) for d in dates))
    if "year_of_birth" in texts:
        year = pl.col("year_of_birth")
        reasons[IMPOSSIBLE] |= impossible(pl.date(year.clip(1, 9999), 1, 1)) & (year != 0)
    if "month_of_birth" in texts:
        reasons["month_of_birth above 12"] = ~pl.col("month_of_birth").is_between(0, 12)
    kept = tally.keep(rows, reasons, shown)
    return kept.drop(texts.values()).rename({_ID: "subject_id"})


def _persons(rows: pl.DataFrame) -> pl.DataFrame:
    """Return births, sexes and practices.

    Birth is the first of the month; January where the month is not known. `birth_datetime` fills
    in where year or month is blank.
    """
    stated = _column(rows, "birth_date", pl.Date)
    year = pl.coalesce(_known(_column(rows, "year_of_birth", pl.Int64)), stated.dt.year())
    month = pl.coalesce(
        _known(_column(rows, "month_of_birth", pl.Int64)),
        pl.when(stated.dt.year() == year).then(stated.dt.month()),
        pl.lit(1),
    )
    born = rows.with_columns(day=pl.date(year, month, 1)).drop_nulls("day")
    sex = pl.col("gender_concept_id").replace_strict(
        _SEXES, default="unknown", return_dtype=pl.String
    )
    made = [
        born.select("subject_id", *record("birth", day=pl.col("day"))),
        rows.select("subject_id", *record("sex", code=sex)),
        seen(rows, pl.lit(None, pl.Date)),
    ]
    if "care_site_id" in rows.columns:
        site = rows.filter(pl.col("care_site_id") >= 0)
        made.append(
            site.select(
                "subject_id", *record("fixed", code=pl.format("PRACTICE//{}", "care_site_id"))
            )
        )
    return pl.concat(made)


def _column(rows: pl.DataFrame, name: str, kind: type[pl.DataType]) -> pl.Expr:
    return pl.col(name) if name in rows.columns else pl.lit(None, kind)


def _known(number: pl.Expr) -> pl.Expr:
    return pl.when(number != 0).then(number)


def _conditions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return diagnoses; one without a day or a code is kept, and counted among the outcomes."""
    start = pl.col("condition_start_date")
    if CONCEPT_ID in rows.columns:
        concept = _above_0(pl.col(CONCEPT_ID))
        code = pl.format(CONCEPT_PREFIX + "{}", concept)
    else:
        concept = _above_0(_column(rows, _SOURCE_CONCEPT, pl.Int64))
        code = pl.coalesce(SOURCE_VALUE, pl.format(CONCEPT_PREFIX + "{}", concept))
    made = rows.select("subject_id", *record("diagnosis", day=start, code=code, concept=concept))
    return pl.concat([made, seen(rows, start)])


def _above_0(concept: pl.Expr) -> pl.Expr:
    return pl.when(concept > 0).then(concept)  # 0 is OMOP's for no matching concept


def _visits(rows: pl.DataFrame) -> pl.DataFrame:
    """Return visits, each on the day when it starts."""
    start, end = pl.col("visit_start_date"), pl.col("visit_start_date")
    if "visit_end_date" in rows.columns:
        last = pl.col("visit_end_date")
        end = pl.when(last >= start).then(last).otherwise(start)
    place = pl.col("visit_concept_id").replace_strict(
        _PLACES, default="OTHER", return_dtype=pl.String
    )
    visits = rows.select("subject_id", *record("visit", day=start, code=pl.lit("VISIT//") + place))
    return pl.concat([visits, seen(rows, start, end)])


def _periods(rows: pl.DataFrame) -> pl.DataFrame:
    start, end = pl.col("observation_period_start_date"), pl.col("observation_period_end_date")
    return rows.select("subject_id", *record("period", day=start, until=end))


def _deaths(rows: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("death_date")
    deaths = rows.select("subject_id", *record("death", day=day))
    return pl.concat([deaths, seen(rows, day)])


_PERIOD = ("observation_period_start_date", "observation_period_end_date")
TABLES = {
    "condition_occurrence": OmopTable(
        (_ID, "condition_start_date"), (_SOURCE_CONCEPT,), (_ID,), _conditions
    ),
    "death": OmopTable((_ID, "death_date"), (), (_ID, "death_date"), _deaths),
    "observation_period": OmopTable((_ID, *_PERIOD), (), (_ID, *_PERIOD), _periods),
    "person": OmopTable(
        (_ID, "gender_concept_id"),
        ("year_of_birth", "month_of_birth", "care_site_id"),
        (_ID,),
        _persons,
    ),
    "visit_occurrence": OmopTable(
        (_ID, "visit_concept_id", "visit_start_date"),
        ("visit_end_date",),
        (_ID, "visit_start_date"),
        _visits,
    ),
}
"""By name, in the order in which they are listed."""


def _stays(rows: pl.DataFrame) -> pl.DataFrame:
    """Return subject_id, kind, day and until of visits to hospitals and emergency rooms."""
    kind = pl.col("visit_concept_id").replace_strict(
        _HOSPITAL, default=None, return_dtype=pl.String
    )
    end = pl.when(kind != EMERGENCY_ROOM).then(_column(rows, "visit_end_date", pl.Date))
    return rows.select("subject_id", kind=kind, day="visit_start_date", until=end).drop_nulls(
        "kind"
    )


HOSPITAL = replace(TABLES["visit_occurrence"], records=_stays)
"""The table visit_occurrence, as what `behrt.admissions` reads."""
