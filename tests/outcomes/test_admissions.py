"""Stays in hospital: by hand, and the same from CPRD, MEDS and OMOP."""

import runpy
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.admissions import stays_of
from behrt.files import read_json
from behrt.settings.sources import AdmissionCodes

from .people import EPOCH

SCHEMA = {"subject_id": pl.Int64, "kind": pl.String, "day": pl.Date, "until": pl.Date}
# Subject, admission, discharge, emergency: a transfer on the last day of the first stay; a stay of
# one day; one that has not ended.
SPELLS = [
    (1001, "2001-05-02", "2001-05-04", False),
    (1001, "2001-05-04", "2001-05-09", True),
    (1001, "2001-05-10", "2001-05-10", True),
    (2001, "2002-01-01", None, True),
]
STAYS = [
    (1001, date(2001, 5, 2), date(2001, 5, 9), False),
    (1001, date(2001, 5, 10), date(2001, 5, 10), True),
    (2001, date(2002, 1, 1), None, True),
]


def script(name: str) -> Callable[..., None]:
    folder = Path(__file__).parents[2] / "scripts"
    main: Callable[..., None] = runpy.run_path(str(folder / f"{name}.py"))["main"]
    return main


def from_cprd(folder: Path) -> None:
    def text(day: str | None) -> str:
        return f"{date.fromisoformat(day):%d/%m/%Y}" if day else ""

    lines = ["patid\tspno\tadmidate\tdischarged\tadmimeth\tadmisorc\tdisdest\tdismeth\tduration"]
    lines[0] += "\televdate\telecdur".replace("elev", "elec")
    for number, (subject, admitted, discharged, emergency) in enumerate(SPELLS):
        method = ("11", "2A")[emergency]
        dates = f"{text(admitted)}\t{text(discharged)}"
        lines.append(f"{subject}\t{number}\t{dates}\t{method}\t19\t19\t1\t\t\t")
    lines.append("3001\t9\t\t01/01/2001\t21\t19\t19\t1\t\t\t")  # without a day of admission
    source = folder / "hes_hospital.txt"
    source.write_text("".join(f"{line}\n" for line in lines))
    script("extract_admissions")(
        sources=[source], members=[None], maximum_refused=0.0, shards=1,
        records=folder / "parts.parquet", manifest=folder / "parts.json",
        options={"date_format": None, "year_format": None, "encoding": None, "columns": {},
                 "blank": []},
    )  # fmt: skip


def imported(folder: Path, source: Path, layout: str) -> None:
    script("import_admissions")(
        sources=[source], layout=layout, maximum_refused=0.5, shards=1, blank=[],
        records=folder / "parts.parquet", manifest=folder / "parts.json",
        codes=AdmissionCodes().model_dump(),
    )  # fmt: skip


def from_meds(folder: Path, hours: tuple[int, int, int] = (8, 7, 12)) -> None:
    """Write events at some hours: of admissions, and of discharges on other and on the same day."""
    rows: list[tuple[int | None, datetime | None, str]] = []
    for subject, admitted, discharged, emergency in SPELLS:
        code = f"HOSPITAL_ADMISSION//{'EW EMER.' if emergency else 'ELECTIVE'}//HOME"
        rows.append((subject, datetime.fromisoformat(f"{admitted}T{hours[0]:02}:00"), code))
        if discharged:
            hour = hours[1 + (discharged == admitted)]
            time = datetime.fromisoformat(f"{discharged}T{hour:02}:00")
            rows.append((subject, time, "HOSPITAL_DISCHARGE//HOME"))
    rows += [(7, None, "HOSPITAL_ADMISSION"), (7, datetime(2001, 1, 1), "DIAGNOSIS//ICD//10//I10")]
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "meds.parquet")
    imported(folder, folder / "meds.parquet", "meds")


def from_omop(folder: Path) -> None:
    lines = ["person_id,visit_concept_id,visit_start_date,visit_end_date"]
    lines += [f"{s},{(9201, 262)[e]},{a},{d or ''}" for s, a, d, e in SPELLS[:3]]
    # An inpatient visit that follows one to the emergency room; a visit to the practice.
    lines += ["2001,9203,2001-12-31,2002-01-01", "2001,9201,2002-01-01,", "2001,9202,2003-01-01,"]
    source = folder / "visit_occurrence.csv"
    source.write_text("".join(f"{line}\n" for line in lines))
    imported(folder, source, "omop")


def from_meds_without_hours(folder: Path) -> None:
    from_meds(folder, (0, 0, 0))


@pytest.mark.parametrize("source", [from_cprd, from_meds, from_meds_without_hours, from_omop])
def test_every_source_gives_the_same_stays(tmp_path: Path, source: Any) -> None:
    source(tmp_path)
    script("admissions")(
        records=[tmp_path / "parts.parquet"], stays=tmp_path / "stays.parquet", shard=0
    )
    days = pl.col("admitted", "discharged").cast(pl.Date)
    assert pl.read_parquet(tmp_path / "stays.parquet").with_columns(days).rows() == STAYS
    if source is from_meds:
        (part,) = read_json(tmp_path / "parts.json")["parts"]
        assert part["rows_refused"] == {"no time": 1}


spells = st.lists(
    st.tuples(st.integers(1, 2), st.integers(0, 30), st.integers(0, 6), st.booleans()), max_size=8
)


@given(spells, st.randoms())
def test_stays_are_the_days_in_hospital_joined(
    drawn: list[tuple[int, int, int, bool]], random: Any
) -> None:
    rows = [
        (
            subject,
            "emergency spell" if emergency else "spell",
            EPOCH + timedelta(first),
            EPOCH + timedelta(first + length),
        )
        for subject, first, length, emergency in drawn
    ]
    random.shuffle(rows)
    found = stays_of(pl.DataFrame(rows, schema=SCHEMA, orient="row")).rows()
    expected = []
    for subject in (1, 2):
        own = [(f, f + n, e) for s, f, n, e in drawn if s == subject]
        inside = {day for first, last, _ in own for day in range(first, last + 1)}
        # Stays of which one ends the day before the next begins are two.
        broken = {first for first, _, _ in own if all(not a < first <= b for a, b, _ in own)}
        for first in sorted(broken):
            last = first
            while last + 1 in inside and last + 1 not in broken:
                last += 1
            expected.append((subject, first, last, any(e for f, _, e in own if f == first)))
    assert found == expected
