"""Medications, procedures, tests and measurements of a MEDS dataset, by the form of codes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from behrt.caliber.lists import NAME
from behrt.concept_outcomes import UNMAPPED
from behrt.concept_values import DONE, LEVELS, SMOKING_STATUSES, same_unit
from behrt.concepts import PREFIXES
from behrt.errors import InputError
from behrt.settings.concepts import MeasurementSettings
from behrt.sources.codes import check_pattern
from behrt.sources.inputs import KINDS, as_records, judge_measurements, judge_tests
from behrt.sources.records import BATCH_ROWS, IMPOSSIBLE, Tally, impossible

OWN = "own"
_OWN = {
    "medications": "(?:BNF|SUBSTANCE|ATC|OMOP|CODE)//.+",
    "procedures": "(?:OPCS4|CALIBER|OMOP|CODE)//.+",
    "tests": f".+//(?:{'|'.join(LEVELS)})",
    "measurements": f"(?:SMOKING//(?:{'|'.join(SMOKING_STATUSES)})|(?:BMI|BLOOD_PRESSURE)//.+)",
}
"""What follows the prefix of a code that this workflow has written."""

_COLUMNS = ("subject_id", "time", "code")
_VALUES = ("numeric_value", "text_value")
_UNITS = {
    "bmi": ("kg/m2", "kg/m^2", "kg/m*2", "kg/m**2", "kg/m\N{SUPERSCRIPT TWO}"),
    "blood_pressure": ("mmhg", "mm[hg]", "mm(hg)"),
}
_UNKNOWN = ("UNK", "")
_FOUND = ("concept", "kind", "name", "stated", "default")
_NUMBER = r"^\s*([-+]?[0-9]+(?:\.[0-9]*)?)\s*$"
_SYSTOLIC = r"^\s*([0-9]{2,3}(?:\.[0-9]*)?)\s*/\s*[0-9]{2,3}(?:\.[0-9]*)?\s*$"


@dataclass(frozen=True)
class InputCodes:
    """Which codes are inputs, and how the data files write values.

    Attributes:
        concepts: the inputs beyond diagnoses that are read.
        patterns: kind, pattern (for the whole code), name and unit of `meds.input_codes`.
        columns: the names of the columns unit, low and high in the data files; None for none.
    """

    concepts: tuple[str, ...]
    patterns: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, str | None]

    @classmethod
    def read(
        cls,
        concepts: Sequence[str],
        patterns: Sequence[Mapping[str, Any]],
        columns: Mapping[str, str | None],
    ) -> "InputCodes":
        """Read config, refusing what is not a regular expression with an InputError."""
        wanted = tuple(item for item in patterns if KINDS[item["kind"]] in concepts)
        for item in wanted:
            check_pattern(item["pattern"])
        return cls(tuple(concepts), wanted, columns)

    def recognise(self, codes: pl.Series) -> pl.DataFrame:
        """Return the distinct codes that are inputs: code, concept, kind, name, stated, default.

        `kind` is a key of KINDS, or OWN for a code that this workflow has written; the first
        pattern that fits counts. `stated` is the unit in the code, `default` that of the pattern.
        """
        code, nothing = pl.col("code"), pl.lit(None, pl.String)
        found: list[pl.Expr] = [
            pl.when(code.str.contains(f"^{PREFIXES[concept]}{_OWN[concept]}$")).then(
                _found(concept, OWN, code, nothing, nothing)
            )
            for concept in self.concepts
        ]
        for item in self.patterns:
            pattern = f"^(?:{item['pattern']})$"
            groups = {
                group: code.str.extract_groups(pattern).struct.field(group)
                for group in ("name", "unit")
                if f"<{group}>" in item["pattern"]
            }
            name = groups.get("name", pl.lit(item["name"], pl.String))
            found.append(
                pl.when(code.str.contains(pattern)).then(
                    _found(
                        KINDS[item["kind"]],
                        item["kind"],
                        name,
                        groups.get("unit", nothing),
                        pl.lit(item["unit"], pl.String),
                    )
                )
            )
        found.append(pl.lit(None, pl.Struct(dict.fromkeys(_FOUND, pl.String))))
        known = pl.DataFrame({"code": codes.unique().sort()}).with_columns(found=pl.coalesce(found))
        return known.drop_nulls("found").unnest("found")


def _found(concept: str, kind: str, name: pl.Expr, stated: pl.Expr, default: pl.Expr) -> pl.Expr:
    return pl.struct(
        concept=pl.lit(concept), kind=pl.lit(kind), name=name, stated=stated, default=default
    )


def read_batches(
    path: Path,
    codes: InputCodes,
    tests: pl.DataFrame,
    bands: MeasurementSettings,
    tally: Tally,
) -> Iterator[pl.DataFrame]:
    """Yield the records of inputs in a data file, batch by batch, as `InputRecords`.

    Args:
        path: a data file of the dataset, whose columns the import has checked.
        codes: which codes are read.
        tests: of `behrt.sources.inputs.read_tests`.
        bands: of measurements.
        tally: counts the rows with these codes.

    Raises:
        InputError: the file cannot be read, or a column of values is not of a type for it.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            named = {name: name for name in (*_COLUMNS, *_VALUES)} | {
                key: name for key, name in codes.columns.items() if name
            }
            there = {key: name for key, name in named.items() if name in schema.names}
            wanted = list(dict.fromkeys(there.values()))
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
                frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
                typed = _typed(frame, there, path)
                yield to_records(typed, codes, tests, bands, tally)
    except (OSError, pa.ArrowException):
        raise InputError(path, "it cannot be read as Parquet", "Copy the file again") from None


def _typed(frame: pl.DataFrame, there: Mapping[str, str], path: Path) -> pl.DataFrame:
    kinds = {
        "code": pl.String,
        "numeric_value": pl.Float64,
        "text_value": pl.String,
        "unit": pl.String,
        "low": pl.Float64,
        "high": pl.Float64,
    }
    for key, name in there.items():
        if kinds.get(key) == pl.Float64 and not (
            frame.schema[name].is_numeric() or frame.schema[name] == pl.Null
        ):
            raise InputError(
                path,
                f"column {name} is of type {frame.schema[name]}",
                "Write it as numbers, or set `meds.columns`",
            )
    return frame.select(
        (pl.col(there[key]) if key in there else pl.lit(None)).cast(kinds[key]).alias(key)
        if key in kinds
        else pl.col(there[key]).alias(key)
        for key in (*_COLUMNS, *_VALUES, "unit", "low", "high")
    )


def to_records(
    events: pl.DataFrame,
    codes: InputCodes,
    tests: pl.DataFrame,
    bands: MeasurementSettings,
    tally: Tally,
) -> pl.DataFrame:
    """Turn MEDS rows into records, and count the rows of inputs that are refused.

    Args:
        events: subject_id, time, code, numeric_value, text_value, unit, low, high.
        codes, tests, bands, tally: as `read_batches` takes them.
    """
    known = codes.recognise(events["code"].drop_nulls())
    rows = (
        events.join(known, on="code", how="inner", maintain_order="left")
        .with_columns(
            blank=pl.col("subject_id").is_null(),
            subject_id=pl.col("subject_id").cast(pl.Int64, strict=False),
            day=pl.col("time").cast(pl.Date),
        )
        .drop("time")
    )
    kept = tally.keep(
        rows,
        {
            "blank subject_id": pl.col("blank"),
            "unreadable subject_id": pl.col("subject_id").is_null(),
            IMPOSSIBLE: impossible(pl.col("day")),
        },
    )
    text, kind = pl.col("text_value"), pl.col("kind")
    number = pl.when(pl.col("numeric_value").is_finite()).then("numeric_value")
    systolic = pl.when(kind == "blood_pressure").then(text.str.extract(_SYSTOLIC))
    written = pl.coalesce(systolic, text.str.extract(_NUMBER)).cast(pl.Float64, strict=False)
    units = [
        pl.when(~pl.col(name).is_in(_UNKNOWN)).then(name) for name in ("stated", "unit", "default")
    ]
    valued = kept.with_columns(
        value=pl.coalesce(number, written),
        unit=pl.coalesce(units),
        written=(text.str.strip_chars() != "").fill_null(False),
        exact=pl.lit(True),
    )
    own = valued.filter(kind == OWN).with_columns(
        event="code",
        outcome=pl.when(pl.col("code").str.ends_with(f"//{DONE}"))
        .then(
            pl.when(pl.col("value").is_null())
            .then(pl.lit("no value"))
            .otherwise(pl.lit("no range"))
        )
        .otherwise(pl.lit("mapped")),
    )
    named = valued.filter(kind.is_in(["medications", "procedures"]))
    shown = pl.col("name").str.contains(NAME).fill_null(False)
    coded = named.with_columns(
        event=pl.when(shown).then(
            pl.format(
                "{}CODE//{}",
                pl.col("concept").replace_strict(PREFIXES, return_dtype=pl.String),
                "name",
            )
        ),
        outcome=pl.when(shown).then(pl.lit("mapped")).otherwise(pl.lit(UNMAPPED)),
        value=pl.lit(None, pl.Float64),
        unit=pl.lit(None, pl.String),
    )
    tested = judge_tests(valued.filter(kind == "tests").with_columns(test="name"), tests)
    certain = pl.lit(False)
    for name, spelled in _UNITS.items():
        certain |= (kind == name) & same_unit(pl.col("unit")).is_in(spelled).fill_null(False)
    measured = judge_measurements(
        valued.filter(pl.col("concept") == "measurements", kind != OWN).with_columns(
            status=pl.col("name").str.to_uppercase(), certain=certain
        ),
        bands,
    )
    return pl.concat(as_records(made) for made in (own, coded, tested, measured))
