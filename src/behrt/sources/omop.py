"""Reading the tables of the OMOP common data model (CDM 5) into records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from behrt.errors import InputError
from behrt.sources.records import BATCH_ROWS, IMPOSSIBLE, Part, Tally, impossible, record, seen

SOURCE_VALUE = "condition_source_value"
CONCEPT = "condition_concept_id"
CODE_COLUMNS = (SOURCE_VALUE, CONCEPT)
CONCEPT_PREFIX = "OMOP//"

_SUFFIXES = (".parquet", ".csv")
_BLOCK_BYTES = 1 << 24
_SEXES = {8507: "male", 8532: "female"}
_PLACES = {
    9201: "HOSPITAL",  # inpatient
    262: "HOSPITAL",  # emergency room and inpatient
    9203: "EMERGENCY",
    9202: "OUTPATIENT",
}
_ID = "person_id"
_LARGEST_FLOAT = 2.0**53


@dataclass(frozen=True)
class Table:
    """A table and how it becomes records.

    Attributes:
        required: columns without which it cannot be read.
        optional: columns that are read where they are.
        records: from a batch in which whole numbers are Int64 and dates are Date.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    records: Callable[[pl.DataFrame, Tally], pl.DataFrame]


def find_parts(folder: Path) -> list[Part]:
    """List the files of an OMOP folder that are read, sorted by table and path.

    A table is a file, `condition_occurrence.parquet` or `.csv`, or a folder of that name with such
    files; case does not matter. Person and condition_occurrence must be there; visit_occurrence,
    observation_period and death are read where they are.

    Raises:
        InputError: no such folder; a table is missing, or there as both Parquet and CSV.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "Set `omop.folder` to the folder of the tables")
    parts = []
    for table in sorted(TABLES):
        files = sorted(
            path
            for entry in folder.iterdir()
            if entry.name.lower() in (table, *(table + suffix for suffix in _SUFFIXES))
            for path in (entry.rglob("*") if entry.is_dir() else [entry])
            if path.is_file()
            and path.suffix.lower() in _SUFFIXES
            and not path.name.startswith((".", "_"))
        )
        kinds = {path.suffix.lower() for path in files}
        if len(kinds) > 1:
            raise InputError(
                folder, f"{table} is there as Parquet and as CSV", "Keep one of the two"
            )
        if not files and table in ("person", "condition_occurrence"):
            raise InputError(
                folder, f"no {table}.parquet or .csv", "Set `omop.folder` to the tables' folder"
            )
        parts += [Part(table, f"{i:03d}", path) for i, path in enumerate(files, start=1)]
    return parts


def read_batches(path: Path, table: str, code: str, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield a file's records, batch by batch.

    Args:
        path: Parquet, or CSV (comma or TAB, UTF-8, a header; its case does not matter).
        table: a key of TABLES.
        code: which column of condition_occurrence is the diagnosis, one of CODE_COLUMNS.
        tally: counts the rows.

    Raises:
        InputError: it cannot be read, or a column is missing or of no use.
    """
    layout = TABLES[table]
    required = (*layout.required, *((code,) if table == "condition_occurrence" else ()))
    try:
        reader = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
        for batch in reader(path, required, layout.optional, tally):
            typed = batch.with_columns(
                _typed(batch[name], path) for name in batch.columns if name != SOURCE_VALUE
            )
            if table == "condition_occurrence":
                typed = typed.with_columns(code=_code(code))
            yield layout.records(typed, tally)
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        # The reader's own words may quote a row.
        raise InputError(
            path,
            f"cannot be read as {path.suffix.lower().removeprefix('.')}",
            "Write it again: Parquet, or CSV in UTF-8 with quotes where a value needs them",
        ) from None


def _columns(
    names: list[str], required: tuple[str, ...], optional: tuple[str, ...], path: Path
) -> dict[str, str]:
    """Return the file's name of each column to be read."""
    known = {name.strip().lower(): name for name in names}
    missing = [name for name in required if name not in known]
    if missing:
        raise InputError(
            path, f"no column {', '.join(missing)}", "Name the columns as the OMOP CDM does"
        )
    if len(known) < len(names):
        raise InputError(path, "two columns differ in case alone, or not at all", "Keep one")
    return {name: known[name] for name in (*required, *optional) if name in known}


def _read_parquet(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], tally: Tally
) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        columns = _columns(file.schema_arrow.names, required, optional, path)
        batches = file.iter_batches(BATCH_ROWS, columns=list(columns.values()), use_threads=False)
        for batch in batches:
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
            yield frame.select(pl.col(there).alias(name) for name, there in columns.items())


def _read_csv(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], tally: Tally
) -> Iterator[pl.DataFrame]:
    with path.open("rb") as stream:
        header = stream.readline(_BLOCK_BYTES).decode("utf-8-sig")
        lines = 0
        while line := stream.readline(_BLOCK_BYTES):
            if len(line) == _BLOCK_BYTES:
                raise InputError(
                    path, f"a line is longer than {_BLOCK_BYTES:,} bytes", "Write one row a line"
                )
            line.decode()  # where it is no UTF-8, pyarrow would print an error of its own
            lines += line.rstrip(b"\r\n") != b""
    delimiter = "\t" if header.count("\t") > header.count(",") else ","
    names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(delimiter)]
    columns = _columns(names, required, optional, path)

    rows = 0

    def refuse(row: pa_csv.InvalidRow) -> str:
        nonlocal rows
        rows += 1
        tally.refuse("another number of fields than the header")
        return "skip"

    reader = pa_csv.open_csv(
        path,
        pa_csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows=1
        ),
        pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=refuse),
        pa_csv.ConvertOptions(
            include_columns=list(columns.values()),
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=["", "NULL", "null", "\\N"],
        ),
    )
    for batch in reader:
        rows += batch.num_rows
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
        yield frame.select(pl.col(there).alias(name) for name, there in columns.items())
    if rows != lines:
        raise InputError(
            path,
            f"rows are {rows} where lines are {lines}: a quote is not closed, or a value has a "
            "line end",
            "Write it again with one row a line, or as Parquet",
        )


def _typed(values: pl.Series, path: Path) -> pl.Series:
    """Return a date column as Date and any other as Int64; null where it is blank or unreadable.

    Raises:
        InputError: the column is of a type that holds neither.
    """
    kind, value = values.dtype, pl.col(values.name)
    text = value.cast(pl.String).str.strip_chars()
    if kind == pl.Null:
        typed = value.cast(pl.Date if values.name.endswith("_date") else pl.Int64)
    elif values.name.endswith("_date") and (kind == pl.Date or isinstance(kind, pl.Datetime)):
        typed = value.cast(pl.Date)
    elif values.name.endswith("_date") and kind == pl.String:
        iso = pl.when(text.str.contains(r"^\d{4}-\d{2}-\d{2}([T ].*)?$")).then(text.str.head(10))
        plain = pl.when(text.str.contains(r"^\d{8}$")).then(text)
        typed = pl.coalesce(
            iso.str.to_date("%Y-%m-%d", strict=False), plain.str.to_date("%Y%m%d", strict=False)
        )
    elif values.name.endswith("_date"):
        raise InputError(path, f"column {values.name} is of type {kind}", "Write it as a date")
    elif kind == pl.String:
        typed = pl.when(text.str.contains(r"^-?\d{1,19}$")).then(text).cast(pl.Int64, strict=False)
    elif kind.is_float():  # what pandas makes of whole numbers with gaps
        exact = (value == value.floor()) & (value.abs() < _LARGEST_FLOAT)
        typed = pl.when(exact).then(value).cast(pl.Int64, strict=False)
    elif kind.is_integer():
        typed = value.cast(pl.Int64, strict=False)
    else:
        raise InputError(
            path, f"column {values.name} is of type {kind}", "Write it as whole numbers"
        )
    return values.to_frame().select(typed.alias(values.name)).to_series()


def _code(column: str) -> pl.Expr:
    """Return a condition's code; null where there is none, or no concept (0)."""
    if column == CONCEPT:
        return pl.when(pl.col(CONCEPT) > 0).then(pl.format(CONCEPT_PREFIX + "{}", CONCEPT))
    text = pl.col(SOURCE_VALUE).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def _kept(rows: pl.DataFrame, tally: Tally, *dates: str) -> pl.DataFrame:
    """Return the rows with a person and, for the dates named, a day that is believed."""
    person = pl.col(_ID)
    reasons = {f"no readable {_ID}": person.is_null(), f"{_ID} below 0": person < 0}
    for name in dates:
        reasons[f"no readable {name}"] = pl.col(name).is_null()
        reasons[IMPOSSIBLE] = reasons.get(IMPOSSIBLE, pl.lit(False)) | impossible(pl.col(name))
    return tally.keep(rows, reasons).rename({_ID: "subject_id"})


def _persons(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """A person is born on the first of the birth month, in January where it is not known."""
    year, month = pl.col("year_of_birth"), pl.lit(1, pl.Int64)
    if "month_of_birth" in rows.columns:
        known = pl.col("month_of_birth").is_between(1, 12)
        month = pl.when(known).then("month_of_birth").otherwise(month)
    day = pl.when(year.is_between(1, 9999)).then(pl.date(year, month, 1))
    born = rows.with_columns(day=day)
    kept = tally.keep(
        born,
        {
            f"no readable {_ID}": pl.col(_ID).is_null(),
            f"{_ID} below 0": pl.col(_ID) < 0,
            IMPOSSIBLE: impossible(pl.col("day")),
        },
    ).rename({_ID: "subject_id"})
    sex = pl.col("gender_concept_id").replace_strict(
        _SEXES, default="unknown", return_dtype=pl.String
    )
    made = [
        kept.drop_nulls("day").select("subject_id", *record("birth", day=pl.col("day"))),
        kept.select("subject_id", *record("sex", code=sex)),
        seen(kept, pl.lit(None, pl.Date)),
    ]
    if "care_site_id" in rows.columns:
        site = kept.filter(pl.col("care_site_id") >= 0)
        made.append(
            site.select(
                "subject_id", *record("fixed", code=pl.format("PRACTICE//{}", "care_site_id"))
            )
        )
    return pl.concat(made)


def _conditions(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """A condition without a day or a code is kept: what became of it is counted later."""
    start = pl.col("condition_start_date")
    kept = tally.keep(
        rows,
        {
            f"no readable {_ID}": pl.col(_ID).is_null(),
            f"{_ID} below 0": pl.col(_ID) < 0,
            IMPOSSIBLE: impossible(start),
        },
    ).rename({_ID: "subject_id"})
    made = kept.select("subject_id", *record("diagnosis", day=start, code=pl.col("code")))
    return pl.concat([made, seen(kept, start)])


def _visits(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """A visit is where it starts; it may be seen to last."""
    kept = _kept(rows, tally, "visit_start_date")
    start, end = pl.col("visit_start_date"), pl.col("visit_start_date")
    if "visit_end_date" in rows.columns:
        last = pl.col("visit_end_date")
        end = pl.when((last >= start) & ~impossible(last)).then(last).otherwise(start)
    place = pl.col("visit_concept_id").replace_strict(
        _PLACES, default="OTHER", return_dtype=pl.String
    )
    visits = kept.select("subject_id", *record("visit", day=start, code=pl.lit("VISIT//") + place))
    return pl.concat([visits, seen(kept, start, end)])


def _periods(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    start, end = "observation_period_start_date", "observation_period_end_date"
    kept = _kept(rows, tally, start, end)
    return kept.select("subject_id", *record("period", day=pl.col(start), until=pl.col(end)))


def _deaths(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    kept = _kept(rows, tally, "death_date")
    day = pl.col("death_date")
    deaths = kept.select("subject_id", *record("death", day=day))
    return pl.concat([deaths, seen(kept, day)])


TABLES = {
    "person": Table(
        (_ID, "gender_concept_id", "year_of_birth"), ("month_of_birth", "care_site_id"), _persons
    ),
    "condition_occurrence": Table((_ID, "condition_start_date"), (), _conditions),
    "visit_occurrence": Table(
        (_ID, "visit_concept_id", "visit_start_date"), ("visit_end_date",), _visits
    ),
    "observation_period": Table(
        (_ID, "observation_period_start_date", "observation_period_end_date"), (), _periods
    ),
    "death": Table((_ID, "death_date"), (), _deaths),
}
