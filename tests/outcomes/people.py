"""Small subjects with dated visits, deaths and stays, for the tests of outcomes."""

from datetime import date, datetime, time

import dataframely as dy
import polars as pl

from behrt.admissions import Stays
from behrt.sequences.frames import Sequences

DISEASES = ("Asthma", "Gout", "Heart failure", "Stroke")
EPOCH = date(1970, 1, 1)
Visits = dict[str, set[int]]


def days(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH).days


def sequence(
    subject: int,
    visits: Visits,
    end: str = "2020-12-31",
    *,
    start: str = "2000-01-01",
    birth: tuple[int, int] = (1950, 1),
    sex: int = 1,
    split: str = "train",
) -> dict[str, object]:
    """Return one row of `Sequences`; visits are diseases by day."""
    dated = sorted((days(day), codes) for day, codes in visits.items())
    months = [(EPOCH.year + day / 365.25 - birth[0]) * 12 for day, _ in dated]
    return {
        "subject_id": subject,
        "split": split,
        "sex": sex,
        "region": 1,
        "practice": 1,
        "birth_month": birth[0] * 12 + birth[1] - 1,
        "follow_up_start": days(start),
        "follow_up_end": days(end),
        "known_until": days(end),
        "visit_day": [day for day, _ in dated],
        "visit_age": [int(month) for month in months],
        "code": [code for _, codes in dated for code in sorted(codes)],
        "visit": [place for place, (_, codes) in enumerate(dated) for _ in codes],
    }


def sequences(*rows: dict[str, object]) -> dy.DataFrame[Sequences]:
    return Sequences.validate(pl.DataFrame(rows, schema=Sequences.create_empty().schema))


def deaths(of: dict[int, str]) -> pl.DataFrame:
    """Return MEDS events: a death of each subject, and what labels do not read."""
    rows = [
        (subject, datetime.combine(date.fromisoformat(day), time()), "MEDS_DEATH")
        for subject, day in of.items()
    ]
    rows.append((1, datetime(2010, 1, 1), "VISIT//GP"))
    return pl.DataFrame(
        rows,
        schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String},
        orient="row",
    )


def stays(*rows: tuple[int, str, str | None, bool]) -> dy.DataFrame[Stays]:
    """Return stays: subject, admission, discharge, whether it is an emergency."""
    return Stays.validate(
        pl.DataFrame(
            [(s, days(a), None if d is None else days(d), e) for s, a, d, e in rows],
            schema=Stays.create_empty().schema,
            orient="row",
        )
    )
