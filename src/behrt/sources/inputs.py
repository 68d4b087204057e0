"""Records of inputs beyond diagnoses, of MEDS and OMOP, and what their values become."""

from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.caliber.lists import NAME
from behrt.concept_outcomes import OUTCOMES, UNCERTAIN_UNIT, UNMAPPED, first_outcome
from behrt.concept_values import IN_UNIT, LIMITS, SMOKING_STATUSES, band, level, same_unit
from behrt.concepts import PREFIXES
from behrt.errors import InputError
from behrt.settings.concepts import MeasurementSettings

KINDS = {
    "medications": "medications",
    "procedures": "procedures",
    "tests": "tests",
    "smoking": "measurements",
    "bmi": "measurements",
    "blood_pressure": "measurements",
}
"""The input that each kind of code belongs to."""

_TESTS = ("code", "test", "unit", "low", "high")


class InputRecords(dy.Schema):
    """One row per record of an input beyond diagnoses.

    `code` is what the record is counted by; `event` the MEDS code, null where there is none or
    `behrt.sources.input_words` finds it. `source_concept` is OMOP's concept of the source's code.
    """

    subject_id = dy.Int64()
    concept = dy.String(check=lambda concept: concept.is_in(list(PREFIXES)))
    day = dy.Date(nullable=True)
    code = dy.String(nullable=True)
    source_concept = dy.Int64(nullable=True)
    event = dy.String(nullable=True)
    value = dy.Float32(nullable=True)
    unit = dy.String(nullable=True)
    outcome = dy.String(check=lambda outcome: outcome.is_in(OUTCOMES))


def read_tests(path: Path | None) -> pl.DataFrame:
    """Read the file of `codes.tests`: code, test, unit (as `same_unit` writes it), low, high.

    Raises:
        InputError: it cannot be read, lacks a column, a name or the unit of a range, a number
            cannot be read, a lower bound is above the upper one, or a code has two names or two
            ranges in one unit.
    """
    kinds = dict.fromkeys(_TESTS[:3], pl.String) | dict.fromkeys(_TESTS[3:], pl.Float64)
    if path is None:
        return pl.DataFrame(schema=kinds)
    fix = f"Give a CSV file with the columns {', '.join(_TESTS)}"
    try:
        rows = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "it cannot be read as CSV", fix) from None
    rows.columns = [name.strip().lower() for name in rows.columns]
    if missing := [name for name in _TESTS if name not in rows.columns]:
        raise InputError(path, f"no column {', '.join(missing)}", fix)
    texts = rows.select(pl.col(_TESTS).str.strip_chars()).with_columns(
        pl.when(pl.col(name) != "").then(name).alias(name) for name in _TESTS
    )
    typed = texts.with_columns(
        same_unit(pl.col("unit")), pl.col("low", "high").cast(pl.Float64, strict=False)
    )
    unreadable = pl.any_horizontal(
        texts[name].is_not_null() & ~typed[name].is_finite().fill_null(False)
        for name in ("low", "high")
    )
    named = pl.col("code").is_not_null() & pl.col("test").str.contains(NAME)
    faults = {
        "a row has no code or no name that can be shown": ~named.fill_null(False),
        "a bound is not a number": unreadable,
        "a range has no unit": pl.col("unit").is_null()
        & (pl.col("low").is_not_null() | pl.col("high").is_not_null()),
        "a lower bound is above the upper one": pl.col("low") > pl.col("high"),
        "a code has two names": pl.col("test").n_unique().over("code") > 1,
        "a code has two ranges in one unit": pl.struct("code", "unit").is_duplicated(),
    }
    for fault, holds in faults.items():
        if typed.select(holds.fill_null(False).any()).item():
            raise InputError(path, fault, fix)
    return typed


def judge_tests(rows: pl.DataFrame, tests: pl.DataFrame) -> pl.DataFrame:
    """Decide what records of tests become: `event`, `value` (Float32), `unit` and `outcome`.

    The range recorded with a value counts, in whatever unit both are. Otherwise the range of the
    configuration counts, if the value is in its unit. A value without a unit is not kept.

    Args:
        rows: test (the name of a code in `tests`, or another name), value Float64, unit, low, high,
            written (Boolean, whether the record has something that is not read as a value), exact
            (Boolean, false for a bound of a value).
        tests: of `read_tests`.
    """
    names = tests.select(test="code", named="test").unique()
    ranges = tests.select(
        test="code", plain="unit", given_low="low", given_high="high", in_unit=pl.lit(True)
    )
    recorded = pl.col("low").is_not_null() | pl.col("high").is_not_null()
    known = (
        rows.with_columns(plain=same_unit(pl.col("unit")))
        .join(names, on="test", how="left", maintain_order="left")
        .join(ranges, on=["test", "plain"], how="left", maintain_order="left")
        .with_columns(
            low=pl.when(recorded).then("low").otherwise("given_low"),
            high=pl.when(recorded).then("high").otherwise("given_high"),
            recorded=recorded,
        )
    )
    value, low, high = pl.col("value"), pl.col("low"), pl.col("high")
    outcome = first_outcome(
        {
            "no value": value.is_null() & ~pl.col("written"),
            "value cannot be read": value.is_null(),
            UNCERTAIN_UNIT: ~pl.col("recorded") & _has_ranges(tests) & pl.col("in_unit").is_null(),
            "value not exact": ~pl.col("exact"),
            "no range": (low.is_null() & high.is_null()) | (low > high),
        },
        pl.lit("mapped"),
    )
    judged = known.with_columns(outcome=outcome)
    sure = pl.col("outcome") == "mapped"
    nothing = pl.lit(None, pl.Float64)
    found = level(pl.when(sure).then(value).otherwise(nothing), low, high)
    kept = pl.col("unit").is_not_null() & pl.col("outcome").is_in(["mapped", "no range"])
    return judged.with_columns(
        event=pl.format(PREFIXES["tests"] + "{}//{}", pl.coalesce("named", "test"), found),
        value=pl.when(kept).then(value).cast(pl.Float32),
        unit=pl.when(kept & value.is_not_null()).then("unit"),
        code=pl.when(pl.col("outcome") == UNCERTAIN_UNIT)
        .then(pl.format("{}, unit {}", "code", pl.col("unit").fill_null("none")))
        .otherwise("code"),
    ).drop("plain", "named", "given_low", "given_high", "in_unit", "recorded", "low", "high")


def _has_ranges(tests: pl.DataFrame) -> pl.Expr:
    ranged = tests.filter(pl.col("low").is_not_null() | pl.col("high").is_not_null())["code"]
    return pl.col("test").is_in(ranged.unique().implode())


def judge_measurements(rows: pl.DataFrame, bands: MeasurementSettings) -> pl.DataFrame:
    """Decide what records of measurements become, as `judge_tests` does for tests.

    Args:
        rows: kind (`smoking`, `bmi` or `blood_pressure`), status (of smoking), value Float64,
            certain (Boolean, whether the unit is that of `IN_UNIT`), unit, written and exact as for
            tests.
        bands: the lower edges of the bands.
    """
    value, kind = pl.col("value"), pl.col("kind").str.to_uppercase()
    smoking = kind == "SMOKING"
    plausible = pl.lit(True)
    for name, (lowest, highest) in LIMITS.items():
        plausible = (
            pl.when(kind == name).then(value.is_between(lowest, highest)).otherwise(plausible)
        )
    outcome = first_outcome(
        {
            UNMAPPED: smoking & ~pl.col("status").is_in(SMOKING_STATUSES).fill_null(False),
            "no value": ~smoking & value.is_null() & ~pl.col("written"),
            "value cannot be read": ~smoking & value.is_null(),
            UNCERTAIN_UNIT: ~smoking & ~pl.col("certain"),
            "implausible value": ~smoking & ~plausible,
            "value not exact": ~smoking & ~pl.col("exact"),
        },
        pl.lit("mapped"),
    )
    named = (
        pl.when(smoking)
        .then("status")
        .when(kind == "BMI")
        .then(band(value, bands.bmi))
        .otherwise(band(value, bands.blood_pressure))
    )
    prefix = PREFIXES["measurements"]
    mapped = pl.col("outcome") == "mapped"
    return rows.with_columns(outcome=outcome).with_columns(
        event=pl.when(mapped).then(pl.format(prefix + "{}//{}", kind, named)),
        value=pl.when(mapped & ~smoking).then(value).cast(pl.Float32),
        unit=pl.when(mapped).then(
            kind.replace_strict(IN_UNIT, default=None, return_dtype=pl.String)
        ),
        code=pl.when(pl.col("outcome") == UNCERTAIN_UNIT)
        .then(pl.format("{}, unit {}", "code", pl.col("unit").fill_null("none")))
        .otherwise("code"),
    )


def as_records(rows: pl.DataFrame, **others: pl.Expr) -> pl.DataFrame:
    """Return rows as `InputRecords`; columns that they lack are null."""
    schema = InputRecords.create_empty().schema
    added = rows.with_columns(**others)
    return added.select(
        (pl.col(name) if name in added.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
