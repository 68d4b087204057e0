"""Values from text: numbers, dates and years of birth, in formats found out per column and file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import polars as pl

from behrt.cprd.layout import ColumnType
from behrt.errors import InputError

DATE_FORMATS = {
    "DD/MM/YYYY": (r"^\d{2}/\d{2}/\d{4}$", "%d/%m/%Y"),
    "YYYYMMDD": (r"^\d{8}$", "%Y%m%d"),
    "YYYY-MM-DD": (r"^\d{4}-\d{2}-\d{2}$", "%Y-%m-%d"),
    "YYYY/MM/DD": (r"^\d{4}/\d{2}/\d{2}$", "%Y/%m/%d"),
}
YEAR_OFFSETS = {"four digits": 0, "less 1800": 1800}
DTYPES: dict[ColumnType, type[pl.DataType]] = {
    "id": pl.Int64,
    "integer": pl.Int32,
    "year": pl.Int32,
    "date": pl.Date,
    "text": pl.String,
}


@dataclass(frozen=True)
class Options:
    """How to read a delivery whose formats should not be found out from its values.

    Attributes:
        date_format: a key of DATE_FORMATS, for every date column; None to find out per column.
        year_format: a key of YEAR_OFFSETS, for years of birth; None to find out.
    """

    date_format: str | None = None
    year_format: str | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Options":
        """Read options from config, refusing unknown keys and values with an InputError."""
        allowed = [item.name for item in fields(cls)]
        for key, value in values.items():
            if key not in allowed:
                raise InputError("config", f"no option {key!r}", f"Use {' or '.join(allowed)}")
            known = DATE_FORMATS if key == "date_format" else YEAR_OFFSETS
            if value is not None and value not in known:
                raise InputError(
                    f"config, {key}", f"no format {value!r}", f"Use one of {', '.join(known)}"
                )
        return cls(**values)


@dataclass
class Formats:
    """The formats of one file: given, or found out from the first values that show them.

    Attributes:
        file: the file's name, for errors.
        options: the formats given.
        found: column to format, as far as known.
    """

    file: str
    options: Options
    found: dict[str, str] = field(default_factory=dict)

    def typed(self, text: pl.Series, kind: ColumnType) -> pl.Series:
        """Return a column of text as values of its type; null where it is blank or unreadable.

        Numbers are whole and not below 0; years of birth lie between 1800 and 2200.

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
        label = self.options.date_format or self.found.get(text.name)
        dates = _parse_dates(text, label)
        if self.options.date_format is None:
            unread = text.filter(text.is_not_null() & dates.is_null())
            shown = [
                other
                for other, (pattern, _) in DATE_FORMATS.items()
                if other != label and unread.str.contains(pattern).any()
            ]
            label = self._decide(text.name, label, shown)
            if shown:
                dates = _parse_dates(text, label)
        elif label is not None:
            self.found[text.name] = label
        return dates

    def _years(self, number: pl.Series) -> pl.Series:
        label = self.options.year_format
        if label is None:
            label = self.found.get(number.name)
            four = number >= 1000
            shows = {"four digits": four.any(), "less 1800": (~four).any()}
            shown = [other for other, there in shows.items() if there and other != label]
            label = self._decide(number.name, label, shown)
        else:
            self.found[number.name] = label
        year = number + (0 if label is None else YEAR_OFFSETS[label])
        return year.set((year < 1800) | (year > 2200), None)

    def _decide(self, column: str, label: str | None, shown: list[str]) -> str | None:
        candidates = ([label] if label else []) + shown
        if len(candidates) > 1:
            raise InputError(
                self.file,
                f"column {column} mixes the formats {' and '.join(candidates)}",
                "Ask CPRD for the file anew, or state the format in config: rows in another are "
                "then refused",
            )
        if candidates:
            self.found[column] = candidates[0]
            return candidates[0]
        return None


def _parse_dates(text: pl.Series, label: str | None) -> pl.Series:
    if label is None:
        return pl.Series(text.name, [None], dtype=pl.Date).new_from_index(0, len(text))
    _, strptime = DATE_FORMATS[label]
    # strptime alone would take a year of two digits
    whole = text.set(text.str.len_bytes() != len(label), None)
    return whole.str.to_date(strptime, strict=False, cache=False)
