"""Smoking, body mass index and blood pressure.

CPRD GOLD records them in Additional, as entity types 4 (smoking), 13 (weight, with the body mass
index) and 1 (blood pressure); the day is that of the Clinical row with the same patient and adid.
CPRD Aurum records observations, of which a code list says what they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from behrt.concept_outcomes import UNCERTAIN_UNIT, first_outcome
from behrt.concept_values import IN_UNIT, LIMITS, SMOKING_STATUSES, band
from behrt.concepts import PREFIXES
from behrt.cprd.concepts import numbers
from behrt.cprd.concepts.look_ups import LookUpFile, read_look_up
from behrt.cprd.concepts.tests import read_code_list
from behrt.cprd.shards import scan_shard
from behrt.errors import InputError
from behrt.settings.concepts import MeasurementSettings

SMOKING, BMI, BLOOD_PRESSURE = "SMOKING", "BMI", "BLOOD_PRESSURE"
STATUS = {"yes": "CURRENT", "no": "NEVER", "ex": "EX"}
"""The status of smoking, by its text in YND.txt."""

LISTED = (*(f"{SMOKING}//{status}" for status in SMOKING_STATUSES), BMI, BLOOD_PRESSURE)
"""What the code list of CPRD Aurum may name."""

_ENTITIES = {
    1: (BLOOD_PRESSURE, {"data1": "diastolic", "data2": "systolic"}),
    4: (SMOKING, {"data1": "status"}),
    13: (BMI, {"data3": "bmi"}),
}
"""The entity types, and the fields that are read, as entity.txt names them."""

_UNITS = {
    BMI: ("", "kg/m2", "kg/m*2", "kg/m^2", "kg/m\N{SUPERSCRIPT TWO}", "kg/m", "bmi"),
    BLOOD_PRESSURE: ("", "mmhg", "mm(hg)", "mm/hg"),
}
"""The units of observations, as `behrt.concept_values.same_unit` writes them. A value
without one has the only unit in use."""


def check_entities(file: LookUpFile) -> None:
    """Check that entity.txt describes the fields as this module reads them.

    Raises:
        InputError: an entity type is missing, or has other fields.
    """
    columns = {"enttype": ("enttype",), **{f"data{at}": (f"data{at}",) for at in (1, 2, 3)}}
    known = {row["enttype"]: row for row in read_look_up(file, columns).fill_null("").to_dicts()}
    for entity, (name, fields) in _ENTITIES.items():
        row = known.get(str(entity))
        if row is None:
            raise InputError(
                file.path.name,
                f"no entity type {entity} ({name})",
                "Give the entity.txt of the delivery, or remove measurements from `inputs`",
            )
        for field, text in fields.items():
            if row[field].strip().lower() != text:
                raise InputError(
                    file.path.name,
                    f"{field} of entity type {entity} ({name}) is {row[field].strip()!r}, not "
                    f"{text!r}",
                    "Give the entity.txt of the delivery, or remove measurements from `inputs`",
                )


def smoking_status(look_up: Mapping[int, str]) -> dict[int, str]:
    """Return CURRENT, NEVER or EX for each code of YND that says so.

    Raises:
        InputError: the look-up has none of them.
    """
    found = {code: STATUS.get(text.strip().lower()) for code, text in look_up.items()}
    known = {code: status for code, status in found.items() if status}
    if not known:
        raise InputError(
            "YND.txt", "it has no Yes, No or Ex", "Give CPRD's file in `concepts.look_ups.YND`"
        )
    return known


def listed_codes(path: Path) -> pl.DataFrame:
    """Read the code list of CPRD Aurum: code Int64, measurement String (one of `LISTED`).

    Raises:
        InputError: as `behrt.cprd.concepts.tests.read_code_list`.
    """
    found = read_code_list(path, "measurement", LISTED)
    schema = {"code": pl.Int64, "measurement": pl.String}
    return pl.DataFrame(sorted(found.items()), schema=schema, orient="row")


def certain_units(look_up: Mapping[int, str]) -> pl.DataFrame:
    """Return the codes of NumUnit that are units: measurement String, unit Int64."""
    plain = numbers.units(look_up)
    rows = [
        (measurement, code)
        for measurement, units in _UNITS.items()
        for code, text in sorted(plain.items())
        if text in units
    ]
    return pl.DataFrame(rows, schema={"measurement": pl.String, "unit": pl.Int64}, orient="row")


def scan_gold(
    additional: Sequence[Path],
    clinical: Sequence[Path],
    shard: int,
    status: Mapping[int, str],
    settings: MeasurementSettings,
) -> pl.LazyFrame:
    """Scan one shard's measurements of GOLD as `behrt.concept_events` counts them.

    A row has no day if its adid is 0, or if no Clinical row has the patient and the adid, or
    several on different days. A systolic pressure that is not above the diastolic one is
    implausible.

    Args:
        additional: extracted parts of Additional.
        clinical: extracted parts of Clinical.
        shard: number of the shard.
        status: what `smoking_status` returns.
        settings: the bands.
    """
    entity = pl.col("enttype")
    days = (
        scan_shard(clinical, shard)
        .filter(pl.col("adid") > 0)
        .group_by("subject_id", "adid")
        .agg(day=pl.col("eventdate").min(), last=pl.col("eventdate").max())
        .filter(pl.col("day") == pl.col("last"))
        .select("subject_id", "adid", "day")
    )
    names = {number: name for number, (name, _) in _ENTITIES.items()}
    states = pl.Series(list(status), dtype=pl.Int64)
    meanings = pl.Series(list(status.values()), dtype=pl.String)
    written = pl.when(entity == 1).then("data2").when(entity == 4).then("data1").otherwise("data3")
    smoking = pl.when(entity == 4).then(
        numbers.code(pl.col("data1")).replace_strict(states, meanings, default=None)
    )
    rows = (
        scan_shard(additional, shard)
        .filter(entity.is_in(list(_ENTITIES)))
        .join(days, on=["subject_id", "adid"], how="left")
        .select(
            "subject_id",
            "day",
            measurement=entity.replace_strict(names, return_dtype=pl.String),
            # 0 stands for no data in a field that is a code
            written=pl.when((entity == 4) & (numbers.code(pl.col("data1")) == 0))
            .then(None)
            .otherwise(written),
            status=smoking,
            diastolic=pl.when(entity == 1).then(numbers.number(pl.col("data1"))),
            certain=pl.lit(True),
            unit=pl.lit(0, pl.Int64),
        )
    )
    return _judged(rows, settings)


def scan_aurum(
    observations: Sequence[Path],
    shard: int,
    listed: pl.DataFrame,
    units: pl.DataFrame,
    settings: MeasurementSettings,
) -> pl.LazyFrame:
    """Scan one shard's measurements of Aurum: the observations whose code the list has.

    Args:
        observations: extracted parts of Observation.
        shard: number of the shard.
        listed: what `listed_codes` returns.
        units: what `certain_units` returns.
        settings: the bands.
    """
    what = pl.col("measurement").str.split_exact("//", 1)
    rows = (
        scan_shard(observations, shard)
        .select("subject_id", "value", "numunitid", day="eventdate", code="medcode")
        .join(listed.lazy(), on="code", how="inner")
        .with_columns(
            measurement=what.struct.field("field_0"),
            status=what.struct.field("field_1"),
            unit=numbers.code(pl.col("numunitid")),
        )
        .join(units.lazy().with_columns(certain=True), on=["measurement", "unit"], how="left")
        .select(
            "subject_id",
            "day",
            "measurement",
            "status",
            "unit",
            written=pl.coalesce("status", "value"),
            diastolic=pl.lit(None, pl.Float64),
            certain=pl.col("certain").fill_null(False) | pl.col("status").is_not_null(),
        )
    )
    return _judged(rows, settings)


def _judged(rows: pl.LazyFrame, settings: MeasurementSettings) -> pl.LazyFrame:
    """Decide what each record says: subject_id, day, code, events, value, unit, outcome.

    Args:
        rows: subject_id, day, measurement, written (the value as text), status (of smoking),
            diastolic, unit (its code) and certain (whether it is a unit of the measurement).
        settings: the bands.
    """
    of = {name: pl.col("measurement") == name for name in (SMOKING, BMI, BLOOD_PRESSURE)}
    value = pl.col("number")
    plausible = pl.lit(True)
    for name, (lowest, highest) in LIMITS.items():
        plausible = pl.when(of[name]).then(value.is_between(lowest, highest)).otherwise(plausible)
    named = (
        pl.when(of[SMOKING])
        .then("status")
        .when(of[BMI])
        .then(band(value, settings.bmi))
        .when(of[BLOOD_PRESSURE])
        .then(band(value, settings.blood_pressure))
    )
    written = pl.col("written")
    refused = {
        "no value": written.is_null() | (written.str.strip_chars() == ""),
        "value cannot be read": pl.when(of[SMOKING])
        .then(pl.col("status").is_null())
        .otherwise(value.is_null()),
        UNCERTAIN_UNIT: ~pl.col("certain"),
        "implausible value": ~plausible | (value <= pl.col("diastolic")),
    }
    decided = rows.with_columns(
        number=pl.when(~of[SMOKING]).then(numbers.number(written))
    ).with_columns(outcome=first_outcome(refused, pl.lit("mapped")), named=named)
    kept = pl.col("outcome") == "mapped"
    event = pl.format(PREFIXES["measurements"] + "{}//{}", "measurement", "named")
    unit = pl.format("{}, unit {}", "measurement", "unit")
    return decided.select(
        "subject_id",
        "day",
        code=pl.when(pl.col("outcome") == UNCERTAIN_UNIT).then(unit).otherwise("measurement"),
        events=pl.when(kept).then(pl.concat_list(event)),
        value=pl.when(kept).then("number").cast(pl.Float32),
        unit=pl.when(kept & value.is_not_null()).then(
            pl.col("measurement").replace_strict(IN_UNIT, default=None, return_dtype=pl.String)
        ),
        outcome="outcome",
    )
