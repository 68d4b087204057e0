"""Tests of the practice: done, low, normal or high by the range that is recorded with the value.

CPRD GOLD records a test as an entity type with up to eight fields, which entity.txt names: an
operator (OPR), a value, its unit (SUM), a qualifier (TQU) and the normal range; or only a qualifier
and the range. CPRD Aurum records an observation with a value, a unit (NumUnit) and a range.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from behrt.concept_outcomes import UNCERTAIN_UNIT, UNMAPPED, first_outcome
from behrt.concept_values import DONE, HIGH, LOW, NORMAL, level, same_unit
from behrt.concepts import PREFIXES
from behrt.cprd.concepts import numbers
from behrt.cprd.concepts.look_ups import LookUpFile, read_look_up
from behrt.cprd.shards import scan_shard
from behrt.errors import InputError
from behrt.settings.base import read
from behrt.settings.concepts import Conversion, LaboratoryTest

STANDARD = Path(__file__).with_name("tests.toml")
_FIELDS = (
    ("operator", "value", "unit of measure", "qualifier", "normal range from", "normal range to"),
    ("qualifier", "normal range from", "normal range to"),
)
"""The first fields of an entity type of a test, in the two ways that are read."""

_QUALIFIERS = {
    **dict.fromkeys(
        ("high", "very high", "significantly high", "above high reference limit"), HIGH
    ),
    **dict.fromkeys(("low", "very low", "significantly low", "below low reference limit"), LOW),
    "normal": NORMAL,
}
"""What a qualifier says of the value, by its text in TQU.txt. Others, such as "abnormal" or
"positive", do not say whether it is low or high."""

_OPERATORS = {"<": "<", "<=": "<=", "=": "=", ">": ">", ">=": ">=", "": "=", "~": "~"}


class Recorded(dy.Schema):
    """How each code of a record is a test: one row per code (enttype, or medcodeid)."""

    code = dy.Int64(primary_key=True)
    test = dy.String(min_length=1)
    only_qualifier = dy.Bool()
    lowest = dy.Float64()
    highest = dy.Float64()
    in_unit = dy.String()


class Units(dy.Schema):
    """The units that are certain: one row per test and code of a unit (0 for none)."""

    test = dy.String(primary_key=True, min_length=1)
    unit = dy.Int64(primary_key=True, min=0)
    factor = dy.Float64()
    offset = dy.Float64()


def definitions(own: Mapping[str, Mapping[str, Any] | None]) -> dict[str, LaboratoryTest]:
    """Return the standard tests and those of the configuration, by name.

    Args:
        own: `concepts.tests.definitions`: in addition to the standard ones, or in their place; None
            excludes one.
    """
    standard = tomllib.loads(STANDARD.read_text(encoding="utf-8"))
    given = {**standard, **own}
    return {
        name: read(LaboratoryTest, values, f"tests, {name}")
        for name, values in given.items()
        if values is not None
    }


def entity_types(
    file: LookUpFile, tests: Mapping[str, LaboratoryTest], own: Iterable[str]
) -> tuple[dy.DataFrame[Recorded], dict[str, str]]:
    """Find how the entity types of the tests record them, in entity.txt.

    Args:
        file: the look-up of entity types.
        tests: the definitions.
        own: the names of those in the configuration, whose entity types must be there.

    Returns:
        The entity types, and why standard tests are left out: the look-up has no such entity type,
        describes it otherwise, or gives it other fields than those of a test.

    Raises:
        InputError: an entity type is of two tests, or one of the configuration's does not fit the
            look-up.
    """
    columns = {"enttype": ("enttype",), "description": ("description",), "type": ("filetype",)}
    fields = {f"data{place}": (f"data{place}",) for place in range(1, 7)}
    rows = read_look_up(file, {**columns, **fields})
    known = {row["enttype"]: row for row in rows.fill_null("").to_dicts()}
    own = set(own)
    found: dict[int, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for name, test in tests.items():
        where = f"config, concepts.tests.definitions.{name}.entities"
        try:
            only_qualifier = {
                entity: _has_only_a_qualifier(known.get(str(entity)), entity, test, where)
                for entity in test.entities
            }
        except InputError as error:
            if name in own:
                raise
            left_out[name] = error.problem
            continue
        for entity in test.entities:
            if entity in found:
                raise InputError(
                    where, f"{entity} is also of {found[entity]['test']}", "Keep one of the two"
                )
            found[entity] = {
                "code": entity,
                "test": name,
                "only_qualifier": only_qualifier[entity],
                "lowest": test.lowest,
                "highest": test.highest,
                "in_unit": test.unit,
            }
    return _recorded(list(found.values())), left_out


def _has_only_a_qualifier(
    row: Mapping[str, str] | None, entity: int, test: LaboratoryTest, where: str
) -> bool:
    """Check an entity type; return whether it has a qualifier and a range, and no value."""
    if row is None:
        raise InputError(where, f"no entity type {entity} in entity.txt", "Correct the number")
    described = row["description"].strip()
    if row["type"].strip().lower() != "test":
        raise InputError(
            where,
            f"entity type {entity} is of the table {row['type'].strip() or 'none'}, not Test",
            "Correct the number",
        )
    words = [word.casefold() for word in test.described_as]
    if words and not any(word in described.casefold() for word in words):
        raise InputError(
            where,
            f"entity type {entity} is {described!r} in entity.txt, not {' or '.join(words)}",
            "Correct the number, or `described_as`",
        )
    names = [" ".join(row[f"data{place}"].lower().split()) for place in range(1, 7)]
    for only_qualifier, wanted in enumerate(_FIELDS):
        if names[: len(wanted)] == list(wanted):
            return bool(only_qualifier)
    raise InputError(
        where,
        f"entity type {entity} has other fields than a test ({', '.join(filter(None, names))})",
        "Remove it",
    )


def _recorded(rows: Sequence[Mapping[str, Any]]) -> dy.DataFrame[Recorded]:
    schema = Recorded.create_empty().schema
    return Recorded.validate(pl.DataFrame(rows, schema=schema, orient="row").sort("code"))


def listed_codes(path: Path, tests: Mapping[str, LaboratoryTest]) -> dy.DataFrame[Recorded]:
    """Read the code list of CPRD Aurum: a CSV file with the columns medcodeid and test.

    Raises:
        InputError: it cannot be read, lacks a column, has a code that is not a whole number or is
            of two tests, or names a test that is not defined.
    """
    rows = [
        {
            "code": code,
            "test": name,
            "only_qualifier": False,
            "lowest": tests[name].lowest,
            "highest": tests[name].highest,
            "in_unit": tests[name].unit,
        }
        for code, name in read_code_list(path, "test", tests).items()
    ]
    return _recorded(rows)


def read_code_list(path: Path, column: str, known: Iterable[str]) -> dict[int, str]:
    """Read a CSV file with the columns medcodeid and `column`; return the value of each code.

    Raises:
        InputError: as `listed_codes`.
    """
    fix = f"Give a CSV file with the columns medcodeid and {column}"
    known = list(known)
    try:
        rows = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy")
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "cannot be read as CSV", fix) from None
    rows.columns = [name.strip().lower().removeprefix("\ufeff") for name in rows.columns]
    for name in ("medcodeid", column):
        if name not in rows.columns:
            raise InputError(path, f"no column {name!r}", fix)
    found: dict[int, str] = {}
    values = rows.select("medcodeid", column).fill_null("")
    for line, (text, value) in enumerate(values.iter_rows(), start=2):
        code, value = text.strip(), value.strip()
        if not code and not value:
            continue
        if not code.isdigit() or not 0 < int(code) < 2**63:
            raise InputError(
                path,
                f"line {line}: the medcodeid is not a whole number; a spreadsheet may have "
                "rewritten it",
                "Write medcodeids as digits",
            )
        if value not in known:
            raise InputError(
                path, f"line {line}: there is no {column} {value!r}", f"Use {', '.join(known)}"
            )
        if found.setdefault(int(code), value) != value:
            raise InputError(
                path, f"line {line}: the medcodeid is also {found[int(code)]}", "Keep one"
            )
    if not found:
        raise InputError(path, "no medcodeid in it", fix)
    return found


def certain_units(
    tests: Mapping[str, LaboratoryTest], look_up: Mapping[int, str]
) -> dy.DataFrame[Units]:
    """Return the codes of the look-up (SUM or NumUnit) that are units of each test."""
    named = [
        {"test": name, "text": text, "factor": unit.factor, "offset": unit.offset}
        for name, test in tests.items()
        for text, unit in {**test.units, test.unit: Conversion()}.items()
    ]
    schema = {"test": pl.String, "text": pl.String, "factor": pl.Float64, "offset": pl.Float64}
    wanted = pl.DataFrame(named, schema=schema).with_columns(same_unit(pl.col("text")))
    known = numbers.units(look_up)
    codes = pl.DataFrame(
        {"unit": list(known), "text": list(known.values())},
        schema={"unit": pl.Int64, "text": pl.String},
    )
    units = wanted.unique(["test", "text"], keep="last", maintain_order=True).join(codes, on="text")
    return Units.validate(units.select(Units.column_names()).sort("test", "unit"))


def operators(look_up: Mapping[int, str]) -> dict[int, str]:
    """Return what each code of OPR means: `=` also for no operator; `~` for what is not known."""
    plain = numbers.units(look_up)
    return {code: _OPERATORS.get(text, "~") for code, text in plain.items()}


def qualifiers(look_up: Mapping[int, str]) -> dict[int, str]:
    """Return LOW, NORMAL or HIGH for each code of TQU that says so."""
    known = {code: " ".join(text.lower().split()) for code, text in look_up.items()}
    return {code: _QUALIFIERS[text] for code, text in known.items() if text in _QUALIFIERS}


def scan_gold(
    parts: Sequence[Path],
    shard: int,
    recorded: pl.DataFrame,
    units: pl.DataFrame,
    operator: Mapping[int, str],
    qualifier: Mapping[int, str],
) -> pl.LazyFrame:
    """Scan one shard's tests of CPRD GOLD as `behrt.concept_events` counts them.

    Args:
        parts: extracted parts of Test.
        shard: number of the shard.
        recorded: what `entity_types` returns.
        units: what `certain_units` returns.
        operator, qualifier: what `operators` and `qualifiers` return.
    """
    only = pl.col("only_qualifier")
    nothing = pl.lit(None, pl.String)
    rows = (
        scan_shard(parts, shard)
        .select(
            "subject_id", "eventdate", *(f"data{place}" for place in range(1, 7)), code="enttype"
        )
        .with_columns(pl.col("code").cast(pl.Int64))
        .join(recorded.lazy(), on="code", how="left")
        .select(
            "subject_id",
            "code",
            "test",
            "lowest",
            "highest",
            "in_unit",
            day="eventdate",
            operator=_meaning(pl.when(~only).then("data1"), operator, "~"),
            written=pl.when(only).then(nothing).otherwise("data2"),
            unit=numbers.code(pl.when(only).then(nothing).otherwise("data3")),
            qualifier=_meaning(pl.when(only).then("data1").otherwise("data4"), qualifier, None),
            low=numbers.number(pl.when(only).then("data2").otherwise("data5")),
            high=numbers.number(pl.when(only).then("data3").otherwise("data6")),
        )
    )
    return judged(rows, units)


def scan_aurum(
    parts: Sequence[Path], shard: int, recorded: pl.DataFrame, units: pl.DataFrame
) -> pl.LazyFrame:
    """Scan one shard's tests of CPRD Aurum: the observations whose code the list has.

    Args:
        parts: extracted parts of Observation.
        shard: number of the shard.
        recorded: what `listed_codes` returns.
        units: what `certain_units` returns.
    """
    rows = (
        scan_shard(parts, shard)
        .select(
            "subject_id",
            "value",
            "numunitid",
            "numrangelow",
            "numrangehigh",
            day="eventdate",
            code="medcode",
        )
        .join(recorded.lazy(), on="code", how="inner")
        .select(
            "subject_id",
            "code",
            "test",
            "lowest",
            "highest",
            "in_unit",
            "day",
            operator=pl.lit("="),
            written="value",
            unit=numbers.code(pl.col("numunitid")),
            qualifier=pl.lit(None, pl.String),
            low=numbers.number(pl.col("numrangelow")),
            high=numbers.number(pl.col("numrangehigh")),
        )
    )
    return judged(rows, units)


def _meaning(text: pl.Expr, known: Mapping[int, str], otherwise: str | None) -> pl.Expr:
    codes = pl.Series(list(known), dtype=pl.Int64)
    meanings = pl.Series(list(known.values()), dtype=pl.String)
    return numbers.code(text).replace_strict(
        codes, meanings, default=pl.lit(otherwise, pl.String), return_dtype=pl.String
    )


def judged(rows: pl.LazyFrame, units: pl.DataFrame) -> pl.LazyFrame:
    """Decide what each record of a test says.

    The value counts if it is a number in a unit of the test and plausible. With `<` or `>` it is a
    bound: the result is low, normal or high where every value within the bound is, and values of
    tests are not below 0. A range holds both its ends. A range whose ends are both 0, or whose end
    is below its start, is not a range; one end may be missing. Without a value and a range, the
    qualifier decides; without any of them the test is done.

    Args:
        rows: subject_id, day, code (null for none), test (null if it is not one of the tests),
            lowest, highest and in_unit of the test, operator (`=`, `<`, `<=`, `>`, `>=`, `~`),
            written (the value as text), unit (its code), qualifier (LOW, NORMAL, HIGH or null), low
            and high (the range).
        units: as `Units`.

    Returns:
        subject_id, day, code (String), events List(String), value Float32, unit, outcome.
    """
    stated, operator = pl.col("stated"), pl.col("operator")
    bounds = pl.col("low"), pl.col("high")
    is_range = (pl.max_horizontal(*bounds) != 0) & (bounds[0] <= bounds[1]).fill_null(True)
    low, high = (pl.when(is_range).then(bound) for bound in bounds)
    within = level(stated, low, high)
    by_range = (
        pl.when((operator == "=") & (within != DONE))
        .then(within)
        .when((operator == "<") & (stated <= low) | (operator == "<=") & (stated < low))
        .then(pl.lit(LOW))
        .when((operator == ">") & (stated >= high) | (operator == ">=") & (stated > high))
        .then(pl.lit(HIGH))
        .when(operator.is_in(["<", "<="]) & (low.fill_null(0) <= 0) & (stated <= high))
        .then(pl.lit(NORMAL))
        .when(operator.is_in([">", ">="]) & (stated >= low) & high.is_null())
        .then(pl.lit(NORMAL))
    )
    known = rows.join(units.lazy(), on=["test", "unit"], how="left").with_columns(
        number=numbers.number(pl.col("written"))
    )
    # The range is in the unit of the value as it is written.
    valued = known.with_columns(
        stated="number", converted=pl.col("number") * pl.col("factor") + pl.col("offset")
    ).with_columns(plausible=pl.col("converted").is_between("lowest", "highest"), by_range=by_range)
    written = pl.col("written")
    refused = {
        UNMAPPED: pl.col("test").is_null(),
        "no value": written.is_null() | (written.str.strip_chars() == ""),
        "value cannot be read": pl.col("number").is_null(),
        UNCERTAIN_UNIT: pl.col("factor").is_null(),
        "implausible value": ~pl.col("plausible"),
        "value not exact": (operator != "=") & is_range & pl.col("by_range").is_null(),
        "no range": pl.col("by_range").is_null(),
    }
    decided = valued.with_columns(outcome=first_outcome(refused, pl.lit("mapped")))
    mapped = pl.col("outcome") == "mapped"
    by_qualifier = (
        pl.col("outcome").is_in(["no value", "value not exact", "no range"])
        & pl.col("qualifier").is_not_null()
    )
    state = (
        pl.when(mapped)
        .then("by_range")
        .when(by_qualifier)
        .then("qualifier")
        .otherwise(pl.lit(DONE))
    )
    event = pl.format(PREFIXES["tests"] + "{}//{}", "test", state)
    certain = mapped | (pl.col("outcome") == "no range")
    value = pl.when(certain & (operator == "=")).then("converted").cast(pl.Float32)
    unit = pl.format("{}, unit {}", "test", "unit")
    return decided.select(
        "subject_id",
        "day",
        code=pl.when(pl.col("outcome") == UNCERTAIN_UNIT)
        .then(unit)
        .otherwise(pl.col("code").cast(pl.String)),
        events=pl.when(pl.col("test").is_not_null()).then(pl.concat_list(event)),
        value=value,
        unit=pl.when(value.is_not_null()).then("in_unit"),
        outcome=pl.when(by_qualifier).then(pl.lit("by the qualifier")).otherwise("outcome"),
    )
