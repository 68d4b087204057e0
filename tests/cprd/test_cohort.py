import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from behrt.cprd.cohort import CohortSources, add_flows, hes_coverage, visit_days
from behrt.cprd.cohort_steps import (
    acceptable,
    birth_year_known,
    delivered,
    enough_visits,
    linkable,
    registered,
    within,
)
from behrt.errors import InputError
from behrt.settings.delivery import CohortRules

DATE = pl.Date


def day(text: str | None) -> datetime.date | None:
    return None if text is None else datetime.date.fromisoformat(text)


def patients(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return patients 1, 2, …, who fulfil every rule except for the values given."""
    sound: dict[str, Any] = {
        "gender": 1,
        "yob": 1950,
        "mob": 0,
        "crd": day("1990-01-01"),
        "tod": None,
        "deathdate": None,
        "accept": 1,
        "practice": 20001,
    }
    schema = {
        "subject_id": pl.Int64,
        "gender": pl.Int32,
        "yob": pl.Int32,
        "mob": pl.Int32,
        "crd": DATE,
        "tod": DATE,
        "deathdate": DATE,
        "accept": pl.Int32,
        "practice": pl.Int64,
    }
    numbered = [{"subject_id": index, **sound, **row} for index, row in enumerate(rows, start=1)]
    return pl.DataFrame(numbered, schema=schema)


def ids(frame: pl.DataFrame) -> list[int]:
    return frame["subject_id"].to_list()


def test_a_patient_delivered_twice_alike_counts_once_and_differently_is_an_error() -> None:
    twice = pl.concat([patients({}, {}), patients({}, {"accept": 0})])
    assert ids(delivered(twice.filter(pl.col("accept") == 1))) == [1, 2]
    with pytest.raises(InputError, match="two rows of a patient differ"):
        delivered(twice)


def test_the_parts_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    frames = [patients({}, {}), patients({"accept": 0}), patients({}, {}, {})[2:]]
    paths = [tmp_path / f"{index:03d}.parquet" for index in (1, 2, 3)]
    for frame, path in zip(frames, paths, strict=True):
        frame.rename({"subject_id": "patid"}).write_parquet(path)
    with pytest.raises(InputError, match="patient table, part 001, 002: two rows of a patient"):
        delivered(pl.concat(frames), paths)


def test_only_acceptable_records_stay() -> None:
    assert ids(acceptable(patients({}, {"accept": 0}, {"accept": None}))) == [1]


def test_only_known_birth_years_stay() -> None:
    assert ids(birth_year_known(patients({"yob": None}, {}))) == [2]


def test_only_patients_eligible_for_linkage_stay() -> None:
    eligibility = pl.DataFrame({"subject_id": [1, 2], "hes_e": [0, 1]})
    assert ids(linkable(patients({}, {}, {}), eligibility)) == [2]


PRACTICES = pl.DataFrame(
    {
        "practice": [20001, 20002, 20003],
        "region": [1, 2, 3],
        "uts": [day("1995-06-01"), None, day("1995-06-01")],
        "lcd": [day("2010-06-30"), day("2010-06-30"), None],
    }
)
NO_DEATHS = pl.DataFrame(schema={"subject_id": pl.Int64, "dod": DATE})


@pytest.mark.parametrize(
    ("patient", "dod", "start", "end"),
    [
        ({}, None, "1995-06-01", "2010-06-30"),
        ({"crd": "1995-06-02"}, None, "1995-06-02", "2010-06-30"),
        ({"tod": "2010-06-29"}, None, "1995-06-01", "2010-06-29"),
        ({"tod": "2010-07-01"}, None, "1995-06-01", "2010-06-30"),
        ({"deathdate": "2004-02-29"}, None, "1995-06-01", "2004-02-29"),
        ({}, "2004-02-29", "1995-06-01", "2004-02-29"),
        # ONS's date goes before CPRD's
        ({"deathdate": "2004-02-29"}, "2005-01-01", "1995-06-01", "2005-01-01"),
        ({"deathdate": "2011-01-01"}, None, "1995-06-01", "2010-06-30"),
        # one day is enough, no day is not
        ({"tod": "1995-06-01"}, None, "1995-06-01", "1995-06-01"),
        ({"tod": "1995-05-31"}, None, None, None),
        ({}, "1995-05-31", None, None),
        ({"crd": "2010-07-01"}, None, None, None),
        # nobody is followed before birth
        ({"yob": 2000, "mob": 3}, None, "2000-03-01", "2010-06-30"),
        ({"yob": 2000}, None, "2000-01-01", "2010-06-30"),
        ({"yob": 2000, "mob": 200}, None, "2000-01-01", "2010-06-30"),
        ({"crd": None}, None, None, None),
        ({"practice": 20002}, None, None, None),
        ({"practice": 20003}, None, None, None),
        ({"practice": 20004}, None, None, None),
        ({"practice": None}, None, None, None),
    ],
)
def test_follow_up_runs_from_registration_to_leaving_or_death(
    patient: dict[str, Any], dod: str | None, start: str | None, end: str | None
) -> None:
    dates = {key: day(value) for key, value in patient.items() if isinstance(value, str)}
    deaths = NO_DEATHS if dod is None else pl.DataFrame({"subject_id": [1], "dod": [day(dod)]})
    found = registered(patients({**patient, **dates}), PRACTICES, deaths)
    expected = [] if start is None else [(day(start), day(end))]
    assert found.select("follow_up_start", "follow_up_end").rows() == expected


def test_the_earliest_of_several_death_records_counts() -> None:
    deaths = pl.DataFrame(
        {"subject_id": [1, 1, 1], "dod": [day("2006-01-02"), None, day("2006-01-01")]}
    )
    found = registered(patients({}), PRACTICES, deaths)
    assert found["death"].to_list() == [day("2006-01-01")]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, ("2000-01-10", "2000-01-20")),
        ("2000-01-11", "2000-01-19", ("2000-01-11", "2000-01-19")),
        ("2000-01-09", "2000-01-21", ("2000-01-10", "2000-01-20")),
        ("2000-01-20", None, ("2000-01-20", "2000-01-20")),
        (None, "2000-01-10", ("2000-01-10", "2000-01-10")),
        ("2000-01-21", None, None),
        (None, "2000-01-09", None),
    ],
)
def test_a_window_cuts_follow_up_on_both_sides(
    start: str | None, end: str | None, expected: tuple[str, str] | None
) -> None:
    frame = pl.DataFrame(
        {"follow_up_start": [day("2000-01-10")], "follow_up_end": [day("2000-01-20")]}
    )
    found = within(frame, day(start), day(end)).rows()
    assert found == ([] if expected is None else [tuple(map(day, expected))])


def test_visits_are_different_days_of_follow_up_its_ends_included() -> None:
    frame = pl.DataFrame(
        {
            "subject_id": [1, 2, 3],
            "follow_up_start": [day("2000-02-28")] * 3,
            "follow_up_end": [day("2000-03-01")] * 3,
        }
    )
    days = pl.LazyFrame(
        [
            # three days, the leap day among them
            *[(1, day(text)) for text in ("2000-02-28", "2000-02-29", "2000-03-01")],
            # two days, one of them twice, and others outside or unknown
            *[(2, day(text)) for text in ("2000-02-28", "2000-02-28", "2000-02-29")],
            *[(2, day(text)) for text in ("2000-02-27", "2000-03-02", None)],
        ],
        schema={"subject_id": pl.Int64, "day": DATE},
        orient="row",
    )
    assert ids(enough_visits(frame, days, 3)) == [1]
    assert ids(enough_visits(frame, days, 2)) == [1, 2]
    assert ids(enough_visits(frame, days, 0)) == [1, 2, 3]


def test_hes_coverage_comes_from_the_delivery_or_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "coverage.parquet"
    pl.DataFrame(
        {
            "data_source": ["ons_death", "HES_APC", "hes_op"],
            "start": [day("1990-01-01"), day("1997-04-01"), day("1990-01-01")],
            "end": [day("2020-01-01"), day("2014-03-31"), day("2020-01-01")],
        }
    ).write_parquet(path)
    assert hes_coverage([path], CohortRules()) == (day("1997-04-01"), day("2014-03-31"))
    stated = CohortRules.model_validate({"hes_start": "1998-01-01"})
    assert hes_coverage([path], stated) == (day("1998-01-01"), day("2014-03-31"))
    both = CohortRules.model_validate(
        {"hes_start": "1998-01-01", "hes_end": datetime.date(2000, 1, 1)}
    )
    assert hes_coverage([], both) == (day("1998-01-01"), day("2000-01-01"))
    with pytest.raises(InputError, match="no first and last day for data_source hes"):
        hes_coverage([], stated)


def test_flows_of_shards_add_up(tmp_path: Path) -> None:
    for index, numbers in enumerate([(5, 3), (7, 0)]):
        pl.DataFrame(
            {"step": [0, 1], "name": ["a", "b"], "patients": numbers},
            schema={"step": pl.Int8, "name": pl.String, "patients": pl.Int64},
        ).write_parquet(tmp_path / f"{index}.parquet")
    assert add_flows(sorted(tmp_path.iterdir())).rows() == [(0, "a", 12), (1, "b", 3)]


def test_an_empty_cohort_is_an_error_that_names_the_step(tmp_path: Path) -> None:
    pl.DataFrame(
        {"step": [0, 1, 2], "name": ["a", "b", "c"], "patients": [5, 0, 0]},
        schema={"step": pl.Int8, "name": pl.String, "patients": pl.Int64},
    ).write_parquet(tmp_path / "flow.parquet")
    with pytest.raises(InputError, match="no patient is left after the step 'b'"):
        add_flows([tmp_path / "flow.parquet"])


def test_visits_with_a_diagnosis_need_the_code_lists() -> None:
    with pytest.raises(InputError, match="need the code lists"):
        visit_days(CohortSources([], [], [], [], [], [], []), 0, CohortRules(visits="diagnosis"))


def test_aurum_knows_no_up_to_standard_date() -> None:
    practices = pl.DataFrame({"practice": [20001], "region": [1], "lcd": [day("2010-12-31")]})
    deaths = pl.DataFrame(schema={"subject_id": pl.Int64, "dod": DATE})
    found = registered(
        patients({}, {"crd": None}, {"yob": 2000}, {"tod": day("1995-06-30")}),
        practices,
        deaths,
        ("crd",),
    )
    assert found.select("subject_id", "follow_up_start", "follow_up_end").rows() == [
        (1, day("1990-01-01"), day("2010-12-31")),
        (3, day("2000-01-01"), day("2010-12-31")),
        (4, day("1990-01-01"), day("1995-06-30")),
    ]
