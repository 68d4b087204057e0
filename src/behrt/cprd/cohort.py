"""The cohort: one step per rule, and the patients left after each step (the paper's Fig. 1).

The paper (Methods, Data) takes patients of practices that consented to linkage with HES, applies
CPRD's quality flags and time windows, and keeps those with at least five visits. The steps are
those for CPRD GOLD, which the paper used. CPRD Aurum differs as stated in `behrt.cprd.databases`:
it has no up-to-standard date, and a list excludes practices that merged into others. A run without
hospital records (`delivery.without`) has no steps for linkage.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dataframely as dy
import polars as pl
import pyarrow.parquet as pq

from behrt import flow
from behrt.cprd.cohort_steps import (
    acceptable,
    birth_month,
    birth_year_known,
    delivered,
    enough_visits,
    linkable,
    registered,
    within,
)
from behrt.cprd.databases import GOLD, Database, losses, uses_hospital
from behrt.cprd.diagnoses import read_mapping, scan_diagnoses
from behrt.cprd.practices import (
    not_merged,
    practice_digits,
    read_merged,
    require_practices,
    with_practice,
)
from behrt.cprd.shards import scan, scan_days, scan_shard
from behrt.errors import InputError
from behrt.files import atomic
from behrt.flow import Flow
from behrt.settings.delivery import CohortRules


class Cohort(dy.Schema):
    """One row per patient of the cohort, sorted by shard, then subject_id."""

    subject_id = dy.Int64(primary_key=True)
    sex = dy.Int8(is_in=[0, 1, 2])  # unknown, male, female
    birth_year = dy.Int32()
    birth_month = dy.Int8(nullable=True, min=1, max=12)
    follow_up_start = dy.Date()
    follow_up_end = dy.Date()  # the last day, inclusive
    death = dy.Date(nullable=True)
    practice = dy.Int64()
    region = dy.Int32()
    shard = dy.UInt16()

    @dy.rule()
    def follow_up_is_not_empty(cls) -> pl.Expr:
        return cls.follow_up_start.col <= cls.follow_up_end.col


@dataclass(frozen=True)
class CohortSources:
    """The extracted parts from which the cohort is selected.

    Attributes:
        patient, practice, eligibility, coverage, deaths: parts of patient, practice,
            linkage_eligibility, linkage_coverage and death_patient.
        visits: parts of the database's records: each row with a date is a visit.
        admissions: parts of hes_hospital.
        diagnoses, hospital, medcodes, icd: parts of the GP's source tables with medcodes and of
            hes_diagnosis_hosp, and the mapping; needed to count visits with a diagnosis. Without
            hes_hospital, the days in `hospital` are visits.
        pointers: parts of the source tables that point at the rows that are diagnoses; none if
            all rows are.
        merged: the list of merged practices, or None.
        database: CPRD's database of the parts.
        without: the source tables that the run goes without.
    """

    patient: Sequence[Path]
    practice: Sequence[Path]
    eligibility: Sequence[Path]
    coverage: Sequence[Path]
    deaths: Sequence[Path]
    visits: Sequence[Path]
    admissions: Sequence[Path]
    diagnoses: Sequence[Path] = field(default_factory=list)
    hospital: Sequence[Path] = field(default_factory=list)
    medcodes: Path | None = None
    icd: Path | None = None
    pointers: Sequence[Path] = field(default_factory=list)
    merged: Path | None = None
    database: Database = GOLD
    without: Sequence[str] = ()


def hes_coverage(
    coverage: Sequence[Path], rules: CohortRules
) -> tuple[datetime.date, datetime.date]:
    """Return the first and last day of HES APC: those of the rules, else of linkage_coverage.

    Raises:
        InputError: neither has them.
    """
    start, end = rules.hes_start, rules.hes_end
    if coverage and (start is None or end is None):
        rows = scan(coverage).filter(
            pl.col("data_source").str.to_lowercase().is_in(["hes", "hes_apc"])
        )
        row = rows.select(pl.col("start").min(), pl.col("end").max()).collect()
        start, end = start or row["start"][0], end or row["end"][0]
    if start is None or end is None:
        raise InputError(
            "linkage_coverage",
            "no first and last day for data_source hes or hes_apc",
            "Add them, or set `cohort.hes_start` and `cohort.hes_end`",
        )
    return start, end


@dataclass(frozen=True)
class Recognised:
    """Properties of the delivery as a whole, inferred or set by the rules.

    Attributes:
        practice_digits: how many last digits of patid are the practice; None where a column has
            the practice.
        hes_start, hes_end: the first and last day of HES APC; None without hospital records.
        merged: pracids of practices that were merged into others; None without a list.
    """

    practice_digits: int | None
    hes_start: datetime.date | None
    hes_end: datetime.date | None
    merged: pl.Series | None = None


def recognise(
    patient: Sequence[Path],
    practice: Sequence[Path],
    coverage: Sequence[Path],
    rules: CohortRules,
    database: Database = GOLD,
    merged: Path | None = None,
    without: Sequence[str] = (),
) -> Recognised:
    """Infer what the rules do not set, from all parts of the three source tables.

    Raises:
        InputError: the practice or the coverage of HES cannot be inferred; the list of merged
            practices cannot be read.
    """
    digits = rules.practice_digits
    if not database.practice_in_patid:
        digits = None
        require_practices(scan(patient), scan(practice))
    elif digits is None:
        practices = scan(practice).select("pracid").collect().to_series()
        digits = practice_digits(scan(patient).select("patid"), practices)
    start = end = None
    if uses_hospital(without):
        start, end = hes_coverage(coverage, rules)
    return Recognised(digits, start, end, None if merged is None else read_merged(merged))


def select_cohort(
    sources: CohortSources, shard: int, rules: CohortRules
) -> tuple[dy.DataFrame[Cohort], dy.DataFrame[Flow]]:
    """Apply all steps to one shard; return the cohort and the patients left after each step.

    The first step's name states what the run goes without.

    Raises:
        InputError: two rows of a patient differ; the practice or the coverage of HES cannot be
            inferred; inputs that the rules need are missing.
    """
    database = sources.database
    found = recognise(
        sources.patient,
        sources.practice,
        sources.coverage,
        rules,
        database,
        sources.merged,
        sources.without,
    )
    practices = scan(sources.practice).unique().collect()
    windows = practices.rename({"pracid": "practice"})
    if sources.deaths:
        deaths = scan_shard(sources.deaths, shard).collect()
    else:
        deaths = pl.DataFrame(schema={"subject_id": pl.Int64, "dod": pl.Date})
    linked = uses_hospital(sources.without)

    patients = delivered(scan_shard(sources.patient, shard).collect(), sources.patient)
    lost = losses(sources.without)
    steps = [(f"Delivered, without {' and '.join(lost)}" if lost else "Delivered", patients)]

    def step(name: str, left: pl.DataFrame) -> pl.DataFrame:
        steps.append((name, left))
        return left

    if found.merged is not None:
        patients = step("Practice not merged into another", not_merged(patients, found.merged))
    patients = step("Acceptable record", acceptable(patients))
    patients = step("Year of birth known", birth_year_known(patients))
    if linked:
        eligibility = scan_shard(sources.eligibility, shard).collect()
        patients = step("Eligible for linkage to HES", linkable(patients, eligibility))
    if found.practice_digits is None:
        patients = patients.rename({"pracid": "practice"})
    else:
        patients = with_practice(patients, practices, found.practice_digits)
    followed = registered(patients, windows, deaths, database.follow_up_from)
    patients = step(database.registered, followed)
    if linked:
        covered = within(patients, found.hes_start, found.hes_end)
        patients = step("Follow-up covered by HES", covered)
    if rules.study_start is not None or rules.study_end is not None:
        patients = step(
            "Follow-up in the study period", within(patients, rules.study_start, rules.study_end)
        )
    kind = "visits" if rules.visits == "all" else "visits with a diagnosis"
    days = visit_days(sources, shard, rules)
    patients = step(
        f"At least {rules.minimum_visits} {kind}",
        enough_visits(patients, days, rules.minimum_visits),
    )
    flow = pl.DataFrame(
        {
            "step": range(len(steps)),
            "name": [name for name, _ in steps],
            "patients": [left.height for _, left in steps],
        }
    )
    return _as_cohort(patients, shard), Flow.validate(flow, cast=True)


def visit_days(sources: CohortSources, shard: int, rules: CohortRules) -> pl.LazyFrame:
    """Scan subject_id and day of each visit under the rules; days can be repeated.

    Raises:
        InputError: the rules count visits with a diagnosis, and the code lists are missing.
    """
    if rules.visits == "all":
        admissions = sources.hospital if "hes_hospital" in sources.without else sources.admissions
        return pl.concat(
            scan_days(parts, shard, date)
            for parts, date in ((sources.visits, "eventdate"), (admissions, "admidate"))
            if parts
        )
    if sources.medcodes is None or sources.icd is None:
        raise InputError(
            "cohort", "visits with a diagnosis need the code lists", "Give `medcodes` and `icd`"
        )
    mapping = read_mapping(sources.medcodes, sources.icd).lazy()
    rows = scan_diagnoses(sources.diagnoses, sources.hospital, shard, sources.pointers)
    return rows.join(mapping, on=["system", "code"], how="semi").select("subject_id", "day")


def _as_cohort(patients: pl.DataFrame, shard: int) -> dy.DataFrame[Cohort]:
    gender = pl.col("gender")
    return Cohort.validate(
        patients.select(
            "subject_id",
            sex=pl.when(gender.is_in([1, 2])).then(gender).otherwise(0),
            birth_year="yob",
            birth_month=birth_month(),
            follow_up_start="follow_up_start",
            follow_up_end="follow_up_end",
            death="death",
            practice="practice",
            region=pl.col("region").fill_null(0),
            shard=pl.lit(shard),
        ),
        cast=True,
    )


def join_cohorts(shards: Sequence[Path], path: Path) -> None:
    """Write the shards' cohorts as one file, in the order of the shards.

    One shard is in memory at a time.
    """
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, pq.read_schema(shards[0]), compression="zstd") as writer,
    ):
        for shard in shards:
            writer.write_table(pq.read_table(shard))


def add_flows(counts: Sequence[Path]) -> dy.DataFrame[Flow]:
    """Add up the shards' patients, step by step.

    Raises:
        InputError: no patient is left.
    """
    return flow.add_flows(
        counts,
        "cohort",
        "patient",
        "Check that step's source table in the delivery, and `cohort` in the configuration",
    )
