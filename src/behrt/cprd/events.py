"""The cohort's events in one shard as MEDS rows, and the outcome of every diagnosis row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.cprd.diagnoses import read_mapping, scan_diagnoses
from behrt.cprd.shards import scan_days
from behrt.diagnosis_outcomes import (
    DiagnosisOutcomes,
    count_outcomes,
    first_outcome,
    sort_outcomes,
)

SEXES = {0: "unknown", 1: "male", 2: "female"}


@dataclass(frozen=True)
class EventSources:
    """The files from which a shard's events are made.

    Attributes:
        cohort: the cohort's patients of the shard.
        diagnoses: parts of the GP's source tables whose medcodes count as diagnoses.
        consultations: parts of consultation.
        hospital: parts of hes_diagnosis_hosp; none for a run without them.
        admissions: parts of hes_hospital; none for a run without them.
        medcodes, icd, phenotypes: the code lists.
        pointers: parts of the source tables that point at the rows that are diagnoses; none if
            all rows are.
    """

    cohort: Path
    diagnoses: Sequence[Path]
    consultations: Sequence[Path]
    hospital: Sequence[Path]
    admissions: Sequence[Path]
    medcodes: Path
    icd: Path
    phenotypes: Path
    pointers: Sequence[Path] = ()


def make_events(
    sources: EventSources, shard: int
) -> tuple[pl.DataFrame, dy.DataFrame[DiagnosisOutcomes]]:
    """Make one shard's events.

    Events and death count on the days of follow-up, the first and the last day included. Equal
    events of a patient on one day, from one source or from both, are one event.

    Returns:
        The events: subject_id Int64, time Datetime("us"), null for what does not change, code
        String; sorted by all three, without duplicates. The outcomes of the diagnosis rows.
    """
    cohort = pl.read_parquet(sources.cohort)
    window = cohort.lazy().select("subject_id", "follow_up_start", "follow_up_end")
    mapping = read_mapping(sources.medcodes, sources.icd).join(
        pl.read_parquet(sources.phenotypes).select(phenotype="index", event="code"), on="phenotype"
    )
    rows = with_outcome(
        scan_diagnoses(sources.diagnoses, sources.hospital, shard, sources.pointers),
        window,
        mapping.lazy(),
    )
    diagnoses = (
        rows.filter(pl.col("outcome") == "mapped")
        .join(mapping.lazy(), on=["system", "code"])
        .select("subject_id", "day", code="event")
        .unique()
    )
    outcomes = count_outcomes(rows)
    visits = [
        _visits("VISIT//GP", [*sources.consultations, *sources.diagnoses], "eventdate", shard),
        _visits("VISIT//HOSPITAL", [*sources.admissions, *sources.hospital], "admidate", shard),
    ]
    followed = [
        frame.join(window, on="subject_id")
        .filter(_in_follow_up())
        .select("subject_id", "day", "code")
        for frame in visits
    ]
    dated, counted = pl.collect_all(
        [pl.concat([diagnoses, *followed]), outcomes], engine="streaming"
    )
    events = pl.concat([describe(cohort), _timed(dated)]).sort("subject_id", "time", "code")
    return events, sort_outcomes(counted)


def with_outcome(rows: pl.LazyFrame, window: pl.LazyFrame, mapping: pl.LazyFrame) -> pl.LazyFrame:
    """Add `outcome` (`behrt.diagnosis_outcomes`) to each diagnosis row. The order is not kept.

    >>> from datetime import date
    >>> rows = pl.LazyFrame(
    ...     {
    ...         "subject_id": [1, 1, 2],
    ...         "day": [date(2001, 5, 2), date(1990, 1, 1), date(2001, 5, 2)],
    ...         "system": "icd10",
    ...         "code": ["I10", "I10", "Z99"],
    ...     }
    ... )
    >>> window = pl.LazyFrame(
    ...     {
    ...         "subject_id": [1, 2],
    ...         "follow_up_start": date(2000, 1, 1),
    ...         "follow_up_end": date(2009, 12, 31),
    ...     }
    ... )
    >>> mapping = pl.LazyFrame({"system": ["icd10"], "code": ["I10"], "phenotype": [0]})
    >>> found = with_outcome(rows, window, mapping).sort("subject_id", "day")
    >>> found.select("subject_id", "day", "code", "outcome").collect()
    shape: (3, 4)
    ┌────────────┬────────────┬──────┬───────────────────┐
    │ subject_id ┆ day        ┆ code ┆ outcome           │
    │ ---        ┆ ---        ┆ ---  ┆ ---               │
    │ i64        ┆ date       ┆ str  ┆ str               │
    ╞════════════╪════════════╪══════╪═══════════════════╡
    │ 1          ┆ 1990-01-01 ┆ I10  ┆ outside follow-up │
    │ 1          ┆ 2001-05-02 ┆ I10  ┆ mapped            │
    │ 2          ┆ 2001-05-02 ┆ Z99  ┆ unmapped          │
    └────────────┴────────────┴──────┴───────────────────┘

    Args:
        rows: subject_id, day, system, code.
        window: subject_id, follow_up_start, follow_up_end of the cohort.
        mapping: system, code, phenotype.
    """
    known = mapping.select("system", "code").unique().with_columns(mapped=True)
    joined = rows.join(window, on="subject_id", how="left").join(
        known, on=["system", "code"], how="left"
    )
    outcome = first_outcome(
        {
            "not in the cohort": pl.col("follow_up_start").is_null(),
            "no code": pl.col("code").is_null(),
            "no date": pl.col("day").is_null(),
            "outside follow-up": ~_in_follow_up(),
            "unmapped": pl.col("mapped").is_null(),
        }
    )
    return joined.with_columns(outcome=outcome)


def describe(cohort: pl.DataFrame) -> pl.DataFrame:
    """Return the events that follow from the cohort's own rows.

    MEDS_BIRTH on the first day of the birth month (January where it is unknown), FOLLOW_UP//START
    and FOLLOW_UP//END, MEDS_DEATH if it is in follow-up; without a time SEX//…, REGION//… and
    PRACTICE//….
    """
    month = pl.col("birth_month").fill_null(1)
    birth = pl.date(pl.col("birth_year"), month, 1)
    death = pl.when(pl.col("death").is_between("follow_up_start", "follow_up_end")).then("death")
    dated = [
        cohort.select("subject_id", day=day, code=pl.lit(code))
        for day, code in (
            (birth, "MEDS_BIRTH"),
            (pl.col("follow_up_start"), "FOLLOW_UP//START"),
            (pl.col("follow_up_end"), "FOLLOW_UP//END"),
            (death, "MEDS_DEATH"),
        )
    ]
    fixed = [
        cohort.select("subject_id", day=pl.lit(None, dtype=pl.Date), code=code)
        for code in (
            pl.lit("SEX//") + pl.col("sex").replace_strict(SEXES, return_dtype=pl.String),
            pl.format("REGION//{}", "region"),
            pl.format("PRACTICE//{}", "practice"),
        )
    ]
    return _timed(pl.concat([frame.drop_nulls("day") for frame in dated] + fixed))


def _in_follow_up() -> pl.Expr:
    return pl.col("day").is_between("follow_up_start", "follow_up_end")


def _visits(code: str, parts: Sequence[Path], date: str, shard: int) -> pl.LazyFrame:
    if not parts:
        return pl.LazyFrame(schema={"subject_id": pl.Int64, "day": pl.Date, "code": pl.String})
    days = scan_days(parts, shard, date).drop_nulls("day").unique()
    return days.with_columns(code=pl.lit(code))


def _timed(events: pl.DataFrame) -> pl.DataFrame:
    return events.select("subject_id", pl.col("day").cast(pl.Datetime("us")).alias("time"), "code")
