import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stages import write_lists

from behrt.cprd.cohort import Cohort
from behrt.cprd.events import EventSources, make_events
from behrt.cprd.source_codes import describe_source_codes, make_source_events, name_source_codes
from behrt.diagnosis_outcomes import add_outcomes

START, END = datetime.date(2000, 2, 28), datetime.date(2000, 3, 2)


def day(text: str | None) -> datetime.date | None:
    return None if text is None else datetime.date.fromisoformat(text)


class Case:
    """One shard, written as the earlier stages write it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cohort: list[dict[str, Any]] = []
        self.rows: dict[str, list[tuple[int, datetime.date | None, Any]]] = {
            name: [] for name in ("clinical", "consultation", "hes_diagnosis_hosp", "hes_hospital")
        }

    def patient(self, subject_id: int, **values: Any) -> None:
        self.cohort.append(
            {
                "subject_id": subject_id,
                "sex": 2,
                "birth_year": 1950,
                "birth_month": None,
                "follow_up_start": START,
                "follow_up_end": END,
                "death": None,
                "practice": 20001,
                "region": 3,
                "shard": 0,
                **values,
            }
        )

    def row(self, table: str, subject_id: int, date: str | None, code: Any = None) -> None:
        self.rows[table].append((subject_id, day(date), code))

    @property
    def sources(self) -> EventSources:
        folder = self.folder
        return EventSources(
            folder / "cohort",
            [folder / "clinical"],
            [folder / "consultation"],
            [folder / "hes_diagnosis_hosp"],
            [folder / "hes_hospital"],
            folder / "medcodes",
            folder / "icd",
            folder / "phenotypes",
        )

    def make(self) -> tuple[list[tuple[int, str | None, str]], dict[tuple[str, str], int]]:
        folder = self.folder
        Cohort.validate(pl.DataFrame(self.cohort), cast=True).write_parquet(folder / "cohort")
        for table, rows in self.rows.items():
            date = "admidate" if table.startswith("hes") else "eventdate"
            code = "icd" if table.startswith("hes") else "medcode"
            kind = pl.String if code == "icd" else pl.Int64
            pl.DataFrame(
                [(*row, 0) for row in rows] + [(99, START, None, 1)],
                schema={"patid": pl.Int64, date: pl.Date, code: kind, "shard": pl.UInt16},
                orient="row",
            ).write_parquet(folder / table)
        pl.DataFrame(
            {"medcode": [7, 7, 8], "phenotype": [0, 1, 1]},
            schema={"medcode": pl.Int64, "phenotype": pl.Int16},
        ).write_parquet(folder / "medcodes")
        pl.DataFrame(
            {"icd": ["M10"], "phenotype": [1]}, schema={"icd": pl.String, "phenotype": pl.Int16}
        ).write_parquet(folder / "icd")
        pl.DataFrame(
            {"index": [0, 1], "code": ["CALIBER//Asthma", "CALIBER//Gout"]},
            schema={"index": pl.Int16, "code": pl.String},
        ).write_parquet(folder / "phenotypes")
        events, outcomes = make_events(self.sources, 0)
        assert events.schema == {
            "subject_id": pl.Int64,
            "time": pl.Datetime("us"),
            "code": pl.String,
        }
        assert events.equals(events.unique().sort("subject_id", "time", "code"))
        outcomes.write_parquet(folder / "outcomes")
        assert add_outcomes([folder / "outcomes"]).equals(outcomes)
        found = [
            (subject_id, None if time is None else time.date().isoformat(), code)
            for subject_id, time, code in events.rows()
        ]
        by_outcome = outcomes.group_by("outcome", "code").agg(pl.col("rows").sum())
        return found, {(outcome, code): rows for outcome, code, rows in by_outcome.rows()}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_the_cohort_table_tells_birth_sex_place_and_follow_up(case: Case) -> None:
    case.patient(1, birth_month=7)
    case.patient(2, sex=0, death=END)
    case.patient(3, sex=1, death=datetime.date(2000, 3, 3))
    events, _ = case.make()
    assert events == [
        (1, None, "PRACTICE//20001"),
        (1, None, "REGION//3"),
        (1, None, "SEX//female"),
        (1, "1950-07-01", "MEDS_BIRTH"),
        (1, "2000-02-28", "FOLLOW_UP//START"),
        (1, "2000-03-02", "FOLLOW_UP//END"),
        (2, None, "PRACTICE//20001"),
        (2, None, "REGION//3"),
        (2, None, "SEX//unknown"),
        (2, "1950-01-01", "MEDS_BIRTH"),
        (2, "2000-02-28", "FOLLOW_UP//START"),
        (2, "2000-03-02", "FOLLOW_UP//END"),
        (2, "2000-03-02", "MEDS_DEATH"),
        (3, None, "PRACTICE//20001"),
        (3, None, "REGION//3"),
        (3, None, "SEX//male"),
        (3, "1950-01-01", "MEDS_BIRTH"),
        (3, "2000-02-28", "FOLLOW_UP//START"),
        (3, "2000-03-02", "FOLLOW_UP//END"),
    ]


def diagnoses_and_visits(
    events: list[tuple[int, str | None, str]],
) -> list[tuple[int, str | None, str]]:
    return [event for event in events if event[2].startswith(("CALIBER", "VISIT"))]


def test_events_count_on_the_days_of_follow_up_both_ends_and_the_leap_day_included(
    case: Case,
) -> None:
    case.patient(1)
    for date in ("2000-02-27", "2000-02-28", "2000-02-29", "2000-03-02", "2000-03-03"):
        case.row("clinical", 1, date, 8)
        case.row("hes_diagnosis_hosp", 1, date, "M10.9")
    events, outcomes = case.make()
    inside = ("2000-02-28", "2000-02-29", "2000-03-02")
    codes = ("CALIBER//Gout", "VISIT//GP", "VISIT//HOSPITAL")
    assert diagnoses_and_visits(events) == [(1, date, code) for date in inside for code in codes]
    assert outcomes == {("mapped", None): 6, ("outside follow-up", None): 4}


def test_a_visit_on_the_day_of_death_counts(case: Case) -> None:
    case.patient(1, death=END)
    case.row("clinical", 1, "2000-03-02", 8)
    events, _ = case.make()
    assert [code for _, date, code in events if date == "2000-03-02"] == [
        "CALIBER//Gout",
        "FOLLOW_UP//END",
        "MEDS_DEATH",
        "VISIT//GP",
    ]


def test_the_same_disease_twice_a_day_is_one_event_and_one_code_may_be_two_diseases(
    case: Case,
) -> None:
    case.patient(1)
    case.row("clinical", 1, "2000-02-29", 7)
    case.row("clinical", 1, "2000-02-29", 7)
    case.row("clinical", 1, "2000-02-29", 8)
    case.row("hes_diagnosis_hosp", 1, "2000-02-29", "M10")
    events, outcomes = case.make()
    assert [code for _, date, code in events if date == "2000-02-29"] == [
        "CALIBER//Asthma",
        "CALIBER//Gout",
        "VISIT//GP",
        "VISIT//HOSPITAL",
    ]
    assert outcomes == {("mapped", None): 4}


def test_diagnoses_are_also_given_in_the_codes_of_the_source(case: Case) -> None:
    case.patient(1)
    case.row("clinical", 1, "2000-02-29", 7)
    case.row("clinical", 1, "2000-02-29", 7)
    case.row("clinical", 1, "2000-03-01", 8)
    case.row("clinical", 1, "2000-03-01", 55)  # in no list
    case.row("clinical", 1, "2000-03-02", 0)  # no code
    case.row("clinical", 1, None, 8)
    case.row("clinical", 1, "1970-01-01", 8)  # before follow-up
    case.row("clinical", 2, "2000-02-29", 8)  # not in the cohort
    case.row("hes_diagnosis_hosp", 1, "2000-02-29", "M109")
    case.make()
    write_lists(case.folder / "lists")
    named = name_source_codes(case.folder / "lists")
    given = case.sources
    events = make_source_events(given.cohort, given.diagnoses, given.hospital, named, 0)
    assert [(time.date().isoformat(), code) for _, time, code in events.rows()] == [
        ("2000-02-29", "ICD10//M109"),
        ("2000-02-29", "READ//C34..00"),
        ("2000-03-01", "MEDCODE//55"),
        ("2000-03-01", "READ//C340.00"),
    ]
    lists = (given.medcodes, given.icd, given.phenotypes)
    described = describe_source_codes(events["code"].unique(), named, *lists)
    assert described.rows() == [
        ("ICD10//M109", "ICD10 M109", ["CALIBER//Gout"]),
        ("MEDCODE//55", "MEDCODE 55", None),
        ("READ//C34..00", "READ C34..00", ["CALIBER//Asthma", "CALIBER//Gout"]),
        ("READ//C340.00", "READ C340.00", ["CALIBER//Gout"]),
    ]


def test_consultations_and_admissions_are_visits_without_a_diagnosis(case: Case) -> None:
    case.patient(1)
    case.row("consultation", 1, "2000-02-29")
    case.row("consultation", 1, "2000-03-03")
    case.row("consultation", 1, None)
    case.row("hes_hospital", 1, "2000-03-01")
    events, outcomes = case.make()
    assert diagnoses_and_visits(events) == [
        (1, "2000-02-29", "VISIT//GP"),
        (1, "2000-03-01", "VISIT//HOSPITAL"),
    ]
    assert outcomes == {}


def test_every_diagnosis_row_has_one_outcome(case: Case) -> None:
    case.patient(1)
    case.row("clinical", 1, "2000-02-29", 9)
    case.row("clinical", 1, "2000-03-01", 9)
    case.row("clinical", 1, "2000-03-01", 0)
    case.row("clinical", 1, "1990-03-01", 9)
    case.row("clinical", 1, None, 8)
    case.row("clinical", 2, "2000-03-01", 8)
    case.row("hes_diagnosis_hosp", 1, "2000-02-29", "-.")
    case.row("hes_diagnosis_hosp", 1, "2000-02-29", "M11.1")
    case.row("hes_diagnosis_hosp", 1, None, "M10.1")
    events, outcomes = case.make()
    assert not [event for event in events if event[2].startswith("CALIBER")]
    assert outcomes == {
        ("unmapped", "9"): 2,
        ("unmapped", "M111"): 1,
        ("no code", None): 2,
        ("outside follow-up", None): 1,
        ("no date", None): 2,
        ("not in the cohort", None): 1,
    }
