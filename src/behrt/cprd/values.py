"""Values from text: numbers, dates and years of birth, in formats inferred by column and file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import polars as pl

from behrt.cprd.dates import FIRST_YEAR, LAST_YEAR, parse_days
from behrt.cprd.layout import ColumnType, SourceTable
from behrt.errors import InputError

DATE_FORMATS = {
    "DD/MM/YYYY": r"^[0-9]{2}/[0-9]{2}/[0-9]{4}$",
    "YYYYMMDD": r"^[0-9]{8}$",
    "YYYY-MM-DD": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "YYYY/MM/DD": r"^[0-9]{4}/[0-9]{2}/[0-9]{2}$",
}
YEAR_OFFSETS = {"four digits": 0, "less 1800": 1800}
DTYPES: dict[ColumnType, type[pl.DataType]] = {
    "id": pl.Int64,
    "integer": pl.Int32,
    "year": pl.Int32,
    "date": pl.Date,
    "text": pl.String,
}

ENCODINGS = ("utf-8", "cp1252")


@dataclass(frozen=True)
class Options:
    """How to read a source table, where the formats should not be inferred from its values.

    Attributes:
        date_format: a key of DATE_FORMATS for every date column, or one by column; None, or a
            column without one, to infer it.
        year_format: a key of YEAR_OFFSETS, for years of birth; None to infer it.
        encoding: one of ENCODINGS; None to infer it line by line.
        columns: names of columns in the delivery (lower case), and ours.
        blank: texts, in addition to the empty one, that stand for no value.
    """

    date_format: str | Mapping[str, str] | None = None
    year_format: str | None = None
    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    blank: Sequence[str] = ()

    @classmethod
    def read(cls, values: Mapping[str, Any], source_table: SourceTable) -> "Options":
        """Read a source table's options from the configuration.

        Raises:
            InputError: an unknown key, column or format.
        """
        allowed = [item.name for item in fields(cls)]
        for key in values:
            _require("config, extract", key, allowed)
        options = cls(**values)
        where = f"config, extract, {source_table.name}"
        if isinstance(options.date_format, Mapping):
            dates = [
                source_table.theirs(name)
                for name, kind in source_table.types.items()
                if kind == "date"
            ]
            for column, label in options.date_format.items():
                if source_table.ours(column) not in map(source_table.ours, dates):
                    _require(f"{where}, date_format", column, dates)
                _require(f"{where}, date_format, {column}", label, DATE_FORMATS)
            formats = {
                source_table.ours(name): label for name, label in options.date_format.items()
            }
            options = replace(options, date_format=formats)
        elif options.date_format is not None:
            _require("config, extract, date_format", options.date_format, DATE_FORMATS)
        if options.year_format is not None:
            _require("config, extract, year_format", options.year_format, YEAR_OFFSETS)
        if options.encoding is not None:
            _require("config, extract, encoding", options.encoding, ENCODINGS)
        for name in options.columns.values():
            if source_table.ours(name) not in source_table.types:
                _require(f"{where}, columns", name, map(source_table.theirs, source_table.types))
        named = {
            delivered.lower().removeprefix("e_"): source_table.ours(name)
            for delivered, name in options.columns.items()
        }
        return replace(options, columns=named)

    def date_format_of(self, column: str) -> str | None:
        """Return the given format of a date column, or None."""
        if isinstance(self.date_format, Mapping):
            return self.date_format.get(column)
        return self.date_format


def _require(where: str, value: object, known: Iterable[str]) -> None:
    known = list(known)
    if value not in known:
        raise InputError(where, f"{value!r} is not known", f"Use one of {', '.join(known)}")


@dataclass
class Formats:
    """The formats of one file: given, or inferred from the first values that show them.

    Attributes:
        file: the file's name, for errors.
        options: the formats given.
        found: column to format, as far as known.
        line_of: the file's line, from 1, of a row of the current values; for errors.
        delivered: the delivered name of each column with another name here; for errors.
    """

    file: str
    options: Options
    found: dict[str, str] = field(default_factory=dict)
    line_of: Callable[[int], int] = lambda row: row + 1
    delivered: Mapping[str, str] = field(default_factory=dict)

    def typed(self, text: pl.Series, kind: ColumnType) -> pl.Series:
        """Convert a column of text to its type; null where it is blank or unreadable.

        Numbers are whole and not negative; years, of birth and of dates, are in FIRST_YEAR …
        LAST_YEAR.

        Raises:
            InputError: the file mixes two formats in this column.
        """
        if kind == "text":
            return text
        if kind == "date":
            return self._dates(text)
        number = text.cast(DTYPES[kind], strict=False)
        number = number.set(number < 0, None)
        return self._years(number) if kind == "year" else number

    def _dates(self, text: pl.Series) -> pl.Series:
        given = self.options.date_format_of(text.name)
        label = given or self.found.get(text.name)
        dates = _dates_in(text, label)
        if given is None and dates.null_count() > text.null_count():
            unread = text.is_not_null() & dates.is_null()
            shown = {
                other: unread & text.str.contains(pattern)
                for other, pattern in DATE_FORMATS.items()
                if other != label
            }
            shown = {other: rows for other, rows in shown.items() if rows.any()}
            label = self._decide(text.name, label, shown)
            if shown:
                dates = _dates_in(text, label)
        elif given is not None:
            self.found[text.name] = given
        return dates

    def _years(self, number: pl.Series) -> pl.Series:
        label = self.options.year_format
        if label is None:
            label = self.found.get(number.name)
            four = number >= 1000
            shows = {"four digits": four, "less 1800": ~four}
            shown = {other: rows for other, rows in shows.items() if other != label and rows.any()}
            label = self._decide(number.name, label, shown)
        else:
            self.found[number.name] = label
        year = number + (0 if label is None else YEAR_OFFSETS[label])
        return year.set(~year.is_between(FIRST_YEAR, LAST_YEAR), None)

    def _decide(self, column: str, label: str | None, shown: dict[str, pl.Series]) -> str | None:
        """Return the column's format: `label`, or the one that some rows show."""
        candidates = [*([label] if label else []), *shown]
        delivered = self.delivered.get(column, column)
        if len(candidates) > 1:
            first = [
                f"{other} first in line {self.line_of(rows.fill_null(value=False).arg_max() or 0)}"
                for other, rows in shown.items()
            ]
            raise InputError(
                self.file,
                f"column {delivered} mixes the formats {' and '.join(candidates)} "
                f"({', '.join(first)})",
                "Ask CPRD for the file again, or set extract.date_format or year_format: rows in "
                "another format are then refused",
            )
        if candidates:
            self.found[column] = candidates[0]
            return candidates[0]
        return None


def _dates_in(text: pl.Series, label: str | None) -> pl.Series:
    if label is None:
        return pl.Series(text.name, [None], dtype=pl.Date).new_from_index(0, len(text))
    return parse_days(text, label)
