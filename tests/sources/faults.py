"""The faults of OMOP tables and MEDS datasets, with their outcomes, for test and manual.

`tests/cprd/faults.py` writes it into docs/faults.md.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

ROWS = 40
"""Persons of the sound folder; each has one row in every table."""


def omop_tables() -> dict[str, pl.DataFrame]:
    """Return a sound folder's tables: each person has hypertension, a visit and a period."""
    person = pl.Series("person_id", range(701, 701 + ROWS))
    day = pl.lit("2010-02-03")
    frame = person.to_frame()
    return {
        "person": frame.with_columns(
            gender_concept_id=pl.lit(8532), year_of_birth=pl.lit(1950), month_of_birth=pl.lit(3)
        ),
        "condition_occurrence": frame.with_columns(
            condition_start_date=day, condition_source_value=pl.lit("I10")
        ),
        "visit_occurrence": frame.with_columns(
            visit_concept_id=pl.lit(9202), visit_start_date=day, visit_end_date=day
        ),
        "observation_period": frame.with_columns(
            observation_period_start_date=pl.lit("2000-01-01"),
            observation_period_end_date=pl.lit("2020-12-31"),
        ),
        "death": frame.head(3).with_columns(death_date=pl.lit("2020-12-31")),
    }


def meds_events() -> pl.DataFrame:
    """Return a sound dataset's events: each subject has a birth, a sex and hypertension."""
    subject = pl.Series("subject_id", range(701, 701 + ROWS)).to_frame()
    each = [("1950-03-01", "MEDS_BIRTH"), (None, "SEX//F"), ("2010-02-03", "ICD10CM/I10")]
    rows = pl.concat(
        subject.with_columns(time=pl.lit(day, pl.String), code=pl.lit(code)) for day, code in each
    )
    return rows.with_columns(pl.col("time").str.to_datetime(time_unit="us")).sort("subject_id")


def write_omop(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, table in omop_tables().items():
        table.write_csv(folder / f"{name}.csv")


def write_meds(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    meds_events().write_parquet(folder / "data" / "0.parquet")


@dataclass(frozen=True)
class SourceFault:
    """A fault of a sound folder, and its outcome: an error, rows refused or unmapped, or none.

    Attributes:
        name: in the manual.
        change: what it does to the folder.
        error: part of the error's text.
        where: what the error names.
        refused: rows by reason.
        outcomes: rows of diagnoses that are not mapped, by outcome.
        config: further arguments of the stages.
    """

    name: str
    change: Callable[[Path], None]
    error: str = ""
    where: str = ""
    refused: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The outcome in words."""
        if self.error:
            return f"error: “{self.error}”, names {self.where}"
        if self.refused:
            return f"refused, counted: {', '.join(self.refused)}"
        if self.outcomes:
            return f"diagnosis left out, counted: {', '.join(self.outcomes)}"
        return "read as it is meant"


def _cells(table: str, column: str, *texts: str) -> Callable[[Path], None]:
    """Write texts into the first rows of a column."""

    def change(folder: Path) -> None:
        path = folder / f"{table}.csv"
        rows = pl.read_csv(path, infer_schema=False)
        values = [*texts, *rows[column][len(texts) :]]
        rows.with_columns(pl.Series(column, values)).write_csv(path)

    return change


def _text(table: str, edit: Callable[[bytes], bytes], name: str = "") -> Callable[[Path], None]:
    """Edit the bytes of a table, and give its file another name."""

    def change(folder: Path) -> None:
        path = folder / f"{table}.csv"
        content = edit(path.read_bytes())
        path.unlink()
        (folder / (name or path.name)).write_bytes(content)

    return change


def _frame(table: str, edit: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    """Write a table as Parquet after an edit."""

    def change(folder: Path) -> None:
        (folder / f"{table}.csv").unlink()
        edit(omop_tables()[table]).write_parquet(folder / f"{table}.parquet")

    return change


def _renamed(**names: str) -> Callable[[Path], None]:
    """Give columns other names in the tables that have them."""

    def change(folder: Path) -> None:
        for path in folder.glob("*.csv"):
            rows = pl.read_csv(path, infer_schema=False)
            rows.rename({k: v for k, v in names.items() if k in rows.columns}).write_csv(path)

    return change


def _many(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def _link(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).symlink_to(folder / "nowhere")


def _moved(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / old).rename(folder / new)

    return change


def _linked_folder(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (folder / "condition_occurrence.csv").rename(elsewhere / "part-0.csv")
    (folder / "condition_occurrence").symlink_to(elsewhere)


def _database(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        path.unlink()
    (folder / "site.duckdb").write_bytes(b"DUCK")


def _without_data(folder: Path) -> None:
    (folder / "data").rename(folder / "train")


def _concept(vocabulary: str, code: str, value: str = "I10") -> Callable[[Path], None]:
    """Give all conditions a source concept, which the table CONCEPT has."""

    def change(folder: Path) -> None:
        path = folder / "condition_occurrence.csv"
        rows = pl.read_csv(path, infer_schema=False)
        rows.with_columns(
            condition_source_concept_id=pl.lit("45591453"), condition_source_value=pl.lit(value)
        ).write_csv(path)
        (folder / "CONCEPT.csv").write_text(
            "concept_id\tconcept_name\tvocabulary_id\tconcept_code\n"
            f'45591453\ta 5" name\t{vocabulary}\t{code}\n1\tanother\tGender\tF\n'
        )

    return change


def _events(edit: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    return lambda folder: edit(meds_events()).write_parquet(folder / "data" / "0.parquet")


CONDITIONS, DATE = "condition_occurrence", "condition_start_date"
HALF = ["22-Apr-10"] * 10 + ["23-Apr-10"] * 10

OMOP_FAULTS = (
    SourceFault(
        "a table saved as .xlsx", _text("death", bytes, "death.xlsx"), "is not read", "death.xlsx"
    ),
    SourceFault(
        "a zipped table", _text("death", bytes, "death.csv.zip"), "is not read", "death.csv.zip"
    ),
    SourceFault(
        "a second part of a table beside it",
        lambda folder: (folder / f"{CONDITIONS}_2.csv").write_text(""),
        "bears the name of the table",
        f"{CONDITIONS}_2.csv",
    ),
    SourceFault(
        "a browser's second copy of a table",
        lambda folder: (folder / "person (1).csv").write_text(""),
        "bears the name of the table",
        "person (1).csv",
    ),
    SourceFault(
        "a dangling link to a table",
        _many(_moved("death.csv", "x"), _link("death.csv")),
        "the link leads to no file",
        "death.csv",
    ),
    SourceFault(
        "a dangling link among the parts of a table",
        _many(_moved("death.csv", "death/0.csv"), _link("death/1.csv")),
        "the link leads to no file",
        "1.csv",
    ),
    SourceFault(
        "a part of a table that is no Parquet or text",
        _many(
            _moved("death.csv", "death/0.csv"),
            _link("death/_SUCCESS"),
            _moved("death/0.csv", "death/0.orc"),
        ),
        "is not read",
        "0.orc",
    ),
    SourceFault(
        "a table twice",
        lambda folder: omop_tables()["death"].write_parquet(folder / "DEATH.parquet"),
        "is there twice",
        "DEATH.parquet",
    ),
    SourceFault("a missing table", _text("person", bytes, "x.csv"), "there is no person", "omop"),
    SourceFault("a DuckDB file", _database, "it is a DuckDB database", "site.duckdb"),
    SourceFault(
        "a gzipped table that is cut short",
        _text(CONDITIONS, lambda text: gzip.compress(text)[:-20], f"{CONDITIONS}.csv.gz"),
        "it cannot be read as text",
        f"{CONDITIONS}.csv.gz",
    ),
    SourceFault(
        "UTF-16",
        _text("person", lambda text: text.decode().encode("utf-16")),
        "it is written in UTF-16",
        "person.csv",
    ),
    SourceFault(
        "a table of no bytes", _text("death", lambda text: b""), "it is empty", "death.csv"
    ),
    SourceFault(
        "no header line",
        _text("person", lambda text: text.split(b"\n", 1)[1]),
        "its first line is not a header line",
        "person.csv",
    ),
    SourceFault(
        "a missing column",
        _renamed(gender_concept_id="sex"),
        "no column gender_concept_id",
        "person.csv",
    ),
    SourceFault(
        "half of the dates in another format",
        _cells(CONDITIONS, DATE, *HALF),
        "Write dates as YYYY-MM-DD",
        f"{CONDITIONS}.csv",
        config={"maximum_refused": 0.01},
    ),
    SourceFault(
        "one text in all unreadable dates",
        _cells(CONDITIONS, DATE, *["NaT"] * 25),
        "add it to `extract.blank`",
        f"{CONDITIONS}.csv",
        config={"maximum_refused": 0.01},
    ),
    SourceFault(
        "a few unreadable ids, more than allowed",
        _cells(CONDITIONS, "person_id", "p1", "p2"),
        "raise `extract.maximum_refused`",
        f"{CONDITIONS}.csv",
        config={"maximum_refused": 0.01},
    ),
    *(
        SourceFault(
            f"{column} {text!r} in {table}",
            _cells(table, column, text),
            refused={f"unreadable {column}": 1},
        )
        for table, column, text in (
            (CONDITIONS, "person_id", "p7"),
            (CONDITIONS, "person_id", "701.5"),
            (CONDITIONS, "person_id", "7.01E+2"),
            (CONDITIONS, "person_id", "9223372036854775808"),
            (CONDITIONS, DATE, "22-Apr-10"),
            (CONDITIONS, DATE, "01/02/2010"),
            (CONDITIONS, DATE, "2010-02-30"),
            ("person", "gender_concept_id", "F"),
            ("person", "month_of_birth", "March"),
            ("person", "year_of_birth", "1950.5"),
            ("visit_occurrence", "visit_end_date", "02/03/2010"),
            ("death", "death_date", "31-12-2020"),
        )
    ),
    SourceFault(
        "no person_id", _cells(CONDITIONS, "person_id", ""), refused={"blank person_id": 1}
    ),
    SourceFault(
        "a date in the year 9999",
        _cells(CONDITIONS, DATE, "9999-12-31"),
        refused={"a date outside the years 1800 to 2299": 1},
    ),
    SourceFault(
        "a month of birth of 13",
        _cells("person", "month_of_birth", "13"),
        refused={"month_of_birth above 12": 1},
    ),
    SourceFault(
        "a comma too many in a row",
        _text(CONDITIONS, lambda text: text.replace(b",I10\n", b",I10,\n", 1)),
        refused={"another number of fields than the header": 1},
    ),
    SourceFault("no date", _cells(CONDITIONS, DATE, ""), outcomes={"no date": 1}),
    SourceFault(
        "no code", _cells(CONDITIONS, "condition_source_value", ""), outcomes={"no code": 1}
    ),
    SourceFault(
        "a code that fits ICD-10 and ICD-9-CM, in data with both",
        _cells(CONDITIONS, "condition_source_value", "E8490", "4019"),
        outcomes={"unmapped": 2},
    ),
    SourceFault(
        "a diagnosis that is excluded, in Germany's notation",
        _cells(CONDITIONS, "condition_source_value", "I10.90 A", "I10.90V"),
        outcomes={"unmapped": 2},
    ),
    SourceFault(
        "codes whose concept is of another vocabulary",
        _many(_concept("ICD10PCS", "I10"), _cells(CONDITIONS, "condition_source_concept_id", "0")),
        outcomes={"unmapped": ROWS - 1},
    ),
)
OMOP_HARMLESS = (
    SourceFault("gzipped CSV", _text(CONDITIONS, gzip.compress, f"{CONDITIONS}.csv.gz")),
    *(
        SourceFault(
            f"{name} between values",
            _text(CONDITIONS, lambda text, mark=mark: text.replace(b",", mark)),  # type: ignore[misc]
        )
        for name, mark in (("semicolons", b";"), ("bars", b"|"), ("TABs", b"\t"))
    ),
    SourceFault("a table in a linked folder of parts", _linked_folder),
    SourceFault(
        "only columns with a time of day",
        _many(
            _renamed(
                condition_start_date="condition_start_datetime",
                visit_start_date="visit_start_datetime",
                visit_end_date="visit_end_datetime",
                death_date="death_datetime",
            ),
            _text(CONDITIONS, lambda text: text.replace(b"2010-02-03", b"2010-02-03 10:00:00")),
        ),
    ),
    SourceFault(
        "the birth only as birth_datetime",
        _many(
            _cells("person", "year_of_birth", *["1950-03-01T00:00:00"] * ROWS),
            _cells("person", "month_of_birth", *[""] * ROWS),
            _renamed(year_of_birth="birth_datetime"),
        ),
    ),
    SourceFault(
        "whole numbers as pandas writes them",
        _many(
            _cells("person", "gender_concept_id", *["8532.0"] * ROWS),
            _cells("person", "month_of_birth", *["3.0"] * ROWS),
            _cells("visit_occurrence", "visit_concept_id", *["9202.0"] * ROWS),
            _cells(CONDITIONS, "person_id", *[f"{701 + i}.0" for i in range(ROWS)]),
        ),
    ),
    SourceFault(
        "decimals in Parquet",
        _frame(
            CONDITIONS, lambda rows: rows.with_columns(pl.col("person_id").cast(pl.Decimal(20, 2)))
        ),
    ),
    SourceFault(
        "dates as numbers in Parquet",
        _frame(CONDITIONS, lambda rows: rows.with_columns(pl.lit(20100203).alias(DATE))),
    ),
    SourceFault(
        "a placeholder for no date, stated in config",
        _cells("visit_occurrence", "visit_end_date", *["NaT"] * ROWS),
        config={"blank": ["NaT"]},
    ),
    SourceFault(
        "codes by the vocabulary of their concepts",
        _concept("ICD10CM", "I10", "a local code"),
    ),
    SourceFault(
        "codes that are only a concept",
        _concept("Read", "G20..00", ""),
    ),
    SourceFault(
        "codes with their term",
        _cells(CONDITIONS, "condition_source_value", "I10|Essential", "ICD10:I10"),
    ),
)
MEDS_FAULTS = (
    SourceFault(
        "a data file in another format",
        _moved("data/0.parquet", "data/0.csv"),
        "is not read",
        "0.csv",
    ),
    SourceFault(
        "a dangling link to a data file",
        _link("data/1.parquet"),
        "the link leads to no file",
        "1.parquet",
    ),
    SourceFault(
        "times as text",
        _events(lambda rows: rows.with_columns(pl.col("time").cast(pl.String))),
        "column time is of type",
        "0.parquet",
    ),
    SourceFault(
        "a row without a subject",
        _events(
            lambda rows: pl.concat(
                [rows, rows.head(1).with_columns(subject_id=pl.lit(None, pl.Int64))]
            )
        ),
        refused={"blank subject_id": 1},
    ),
    SourceFault(
        "an id above 63 bits",
        _events(
            lambda rows: pl.concat(
                [
                    rows.cast({"subject_id": pl.UInt64}),
                    rows.head(1).with_columns(subject_id=pl.lit(2**63, pl.UInt64)),
                ]
            )
        ),
        refused={"unreadable subject_id": 1},
    ),
    SourceFault(
        "a birth without a time",
        _events(
            lambda rows: pl.concat(
                [rows, rows.head(1).with_columns(time=pl.lit(None, pl.Datetime("us")))]
            )
        ),
        refused={"birth or death without a time": 1},
    ),
)
MEDS_HARMLESS = (
    SourceFault("data files without a folder data", _without_data),
    SourceFault(
        "births under another code, stated in config",
        _events(lambda rows: rows.with_columns(pl.col("code").replace("MEDS_BIRTH", "DOB"))),
        config={"structure": {"birth": "DOB"}},
    ),
    SourceFault(
        "a note beside the data", lambda folder: (folder / "data/README.md").write_text("")
    ),
)
GROUPS = {
    "OMOP tables": OMOP_FAULTS,
    "OMOP tables: oddities that change nothing": OMOP_HARMLESS,
    "MEDS datasets": MEDS_FAULTS,
    "MEDS datasets: oddities that change nothing": MEDS_HARMLESS,
}


def section() -> list[str]:
    """Return the lines of the manual."""
    lines = []
    for title, faults in GROUPS.items():
        lines += ["", f"### {title}", "", "| Fault | Outcome |", "|---|---|"]
        lines += [
            f"| {fault.name} | {fault.outcome} |".replace("|Ess", "\\|Ess") for fault in faults
        ]
    return lines
