"""The steps of the cohort: each is a function of the patients that returns those who are left.

Patients are rows of the extracted source table patient, with the names of columns of CPRD GOLD.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt.cprd.databases import GOLD
from behrt.errors import InputError


def delivered(patients: pl.DataFrame, parts: Sequence[Path] = ()) -> pl.DataFrame:
    """Return each patient once, sorted by subject_id.

    Args:
        patients: of a shard.
        parts: of the source table patient, named in an error.

    Raises:
        InputError: two rows of a patient differ.
    """
    once = patients.unique().sort("subject_id")
    twice = once["subject_id"].filter(once["subject_id"].is_duplicated()).unique()
    if len(twice):
        holding = [
            path.stem
            for path in parts
            if pl.scan_parquet(path)
            .select(pl.col("patid").is_in(twice.implode()).any())
            .collect()
            .item()
        ]
        where = f"patient table, part {', '.join(holding[:5])}" if holding else "patient table"
        raise InputError(where, "two rows of a patient differ", "Deliver each patient once")
    return once


def acceptable(patients: pl.DataFrame) -> pl.DataFrame:
    """Keep patients whose record CPRD marks as acceptable for research."""
    return patients.filter(pl.col("accept") == 1)


def birth_year_known(patients: pl.DataFrame) -> pl.DataFrame:
    """Keep patients with a year of birth."""
    return patients.drop_nulls("yob")


def linkable(patients: pl.DataFrame, eligibility: pl.DataFrame) -> pl.DataFrame:
    """Keep patients eligible for linkage to HES APC (hes_e, or hes_apc_e, is 1)."""
    eligible = eligibility.filter(pl.col("hes_e") == 1)
    return patients.join(eligible, on="subject_id", how="semi", maintain_order="left")


def registered(
    patients: pl.DataFrame,
    practices: pl.DataFrame,
    deaths: pl.DataFrame,
    follow_up_from: Sequence[str] = GOLD.follow_up_from,
) -> pl.DataFrame:
    """Add follow-up and keep patients who have any.

    Follow-up starts on the latest of current registration (crd), the practice's up-to-standard
    date (uts) and birth. It ends on the earliest of transfer out (tod), the practice's last
    collection (lcd) and death. Both days are included. The date of death is ONS's (dod), else
    CPRD's (deathdate). A patient without crd, uts or lcd has no follow-up. CPRD Aurum has the same
    dates under other names (regstartdate, regenddate, cprd_ddate) and no uts: there, follow-up
    starts with registration or birth.

    >>> from datetime import date
    >>> patients = pl.DataFrame(
    ...     {
    ...         "subject_id": [1, 2],
    ...         "practice": [5, 5],
    ...         "yob": [1950, 1960],
    ...         "mob": [0, 0],
    ...         "crd": [date(1995, 1, 1), date(2010, 1, 1)],
    ...         "tod": [None, date(2012, 1, 1)],
    ...         "deathdate": [None, None],
    ...     },
    ...     schema_overrides={"deathdate": pl.Date},
    ... )
    >>> practices = pl.DataFrame(
    ...     {"practice": 5, "region": 1, "uts": date(2000, 1, 1), "lcd": date(2009, 6, 1)}
    ... )
    >>> deaths = pl.DataFrame({"subject_id": [1], "dod": [date(2008, 3, 4)]})
    >>> registered(patients, practices, deaths).select(
    ...     "subject_id", "follow_up_start", "follow_up_end"
    ... )
    shape: (1, 3)
    ┌────────────┬─────────────────┬───────────────┐
    │ subject_id ┆ follow_up_start ┆ follow_up_end │
    │ ---        ┆ ---             ┆ ---           │
    │ i64        ┆ date            ┆ date          │
    ╞════════════╪═════════════════╪═══════════════╡
    │ 1          ┆ 2000-01-01      ┆ 2008-03-04    │
    └────────────┴─────────────────┴───────────────┘

    Args:
        patients: with `practice`.
        practices: practice, region, lcd and, in CPRD GOLD, uts.
        deaths: subject_id, dod; the earliest of several counts.
        follow_up_from: the dates from which, with birth, the latest is the start.
    """
    first = deaths.group_by("subject_id").agg(pl.col("dod").min())
    dated = patients.join(practices, on="practice", how="left", maintain_order="left").join(
        first, on="subject_id", how="left", maintain_order="left"
    )
    month = birth_month().fill_null(1)
    followed = dated.with_columns(death=pl.coalesce("dod", "deathdate")).with_columns(
        follow_up_start=pl.max_horizontal(*follow_up_from, pl.date(pl.col("yob"), month, 1)),
        follow_up_end=pl.min_horizontal("tod", "lcd", "death"),
    )
    return _with_follow_up(followed.drop_nulls([*follow_up_from, "lcd"]))


def within(
    patients: pl.DataFrame, start: datetime.date | None, end: datetime.date | None
) -> pl.DataFrame:
    """Cut follow-up to the days from `start` to `end` and keep patients who have any left."""
    return _with_follow_up(
        patients.with_columns(
            follow_up_start=pl.max_horizontal("follow_up_start", pl.lit(start, dtype=pl.Date)),
            follow_up_end=pl.min_horizontal("follow_up_end", pl.lit(end, dtype=pl.Date)),
        )
    )


def enough_visits(patients: pl.DataFrame, days: pl.LazyFrame, minimum: int) -> pl.DataFrame:
    """Keep patients with at least `minimum` different days of `days` in follow-up.

    >>> from datetime import date
    >>> patients = pl.DataFrame(
    ...     {
    ...         "subject_id": [1, 2],
    ...         "follow_up_start": date(2000, 1, 1),
    ...         "follow_up_end": date(2009, 12, 31),
    ...     }
    ... )
    >>> days = pl.LazyFrame(
    ...     {
    ...         "subject_id": [1, 1, 2, 2],
    ...         "day": [date(2001, 1, 5), date(2002, 1, 5), date(2001, 1, 5), date(2011, 1, 5)],
    ...     }
    ... )
    >>> enough_visits(patients, days, minimum=2)["subject_id"].to_list()
    [1]

    Args:
        patients: with follow-up.
        days: subject_id and day; null and repeated days are allowed.
        minimum: the smallest number of days.
    """
    if minimum <= 0:
        return patients
    window = patients.lazy().select("subject_id", "follow_up_start", "follow_up_end")
    counts = (
        days.join(window, on="subject_id")
        .filter(pl.col("day").is_between("follow_up_start", "follow_up_end"))
        .group_by("subject_id")
        .agg(visits=pl.col("day").n_unique())
        .filter(pl.col("visits") >= minimum)
        .collect(engine="streaming")
    )
    return patients.join(counts, on="subject_id", how="semi", maintain_order="left")


def birth_month() -> pl.Expr:
    """Return the month of birth (Int8); null where mob is blank, 0 or not a month."""
    month = pl.col("mob")
    return pl.when(month.is_between(1, 12)).then(month).cast(pl.Int8)


def _with_follow_up(patients: pl.DataFrame) -> pl.DataFrame:
    return patients.filter(pl.col("follow_up_start") <= pl.col("follow_up_end"))
