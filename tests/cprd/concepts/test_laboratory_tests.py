"""Tests of the practice, against plain Python."""

import datetime
import math
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.cprd.concepts import tests as laboratory
from behrt.cprd.concepts.look_ups import LookUpFile
from behrt.errors import InputError
from behrt.settings.concepts import LaboratoryTest

DAY = datetime.date(2001, 5, 2)
SUM = {0: "No Data Entered", 1: "%", 96: "mmol/L", 97: "mmol/mol", 82: "mg/dL"}
OPR = {0: "Data Not Entered", 1: "<", 2: "<=", 3: "=", 4: ">", 5: ">=", 6: "~"}
TQU = {0: "Data Not Entered", 8: "High", 9: "Normal", 10: "Low", 12: "Abnormal"}
DEFINED = {
    "HbA1c": {
        "entities": [275],
        "unit": "mmol/mol",
        "units": {"%": {"factor": 10.93, "offset": -23.5}},
        "lowest": 10,
        "highest": 250,
    },
    "Liver": {"entities": [225], "unit": "U/L", "lowest": 0, "highest": 10},
}
DEFINITIONS = {name: LaboratoryTest.model_validate(values) for name, values in DEFINED.items()}
SEVEN = "Operator\tOPR\tValue\t\tUnit of measure\tSUM\tQualifier\tTQU\tNormal range from\t\t"
SEVEN += "Normal range to\t\tNormal range basis\tPOP\t\t"
FOUR = "Qualifier\tTQU\tNormal range from\t\tNormal range to\t\tNormal range basis" + "\t" * 9
HEADER = "enttype\tdescription\tfiletype\tcategory\tdata_fields\t" + "\t".join(
    f"data{place}\tdata{place}_lkup" for place in range(1, 9)
)


def entity_file(folder: Path, *lines: str) -> LookUpFile:
    path = folder / "entity.txt"
    path.write_bytes("".join(f"{line}\r\n" for line in (HEADER, *lines)).encode())
    return LookUpFile(path, None, "entity")


HBA1C = f"275\tHbA1c - diabetic control\tTest\tBiochemistry\t7\t{SEVEN}"
LIVER = f"225\tLiver function tests\tTest\tBiochemistry\t4\t{FOUR}"
SMOKING = "4\tSmoking\tClinical\tLifestyle\t1\tStatus\tYND" + "\t" * 14


def gold(folder: Path, *rows: tuple[int | None, str, str, str, str, str, str]) -> pl.DataFrame:
    """Return what the rows (enttype, data1 to data6) of one patient on one day say, in order."""
    columns = {f"data{place}": pl.String for place in range(1, 7)}
    schema = {"patid": pl.Int64, "eventdate": pl.Date, "enttype": pl.Int32, **columns}
    filled = [
        (number, DAY, row[0], *(text or None for text in row[1:]))
        for number, row in enumerate(rows)
    ]
    frame = pl.DataFrame(filled, schema=schema, orient="row")
    frame.with_columns(shard=pl.lit(0, pl.UInt16)).write_parquet(folder / "rows")
    entities = entity_file(folder, HBA1C, LIVER, SMOKING)
    recorded, _ = laboratory.entity_types(entities, DEFINITIONS, DEFINITIONS)
    found = laboratory.scan_gold(
        [folder / "rows"],
        0,
        recorded,
        laboratory.certain_units(DEFINITIONS, SUM),
        laboratory.operators(OPR),
        laboratory.qualifiers(TQU),
    )
    return found.collect().sort("subject_id")


@pytest.mark.parametrize(
    ("row", "level", "value", "outcome"),
    [
        # the ends of the range belong to it
        ((275, "3", "41", "97", "0", "20", "41"), "NORMAL", 41.0, "mapped"),
        ((275, "3", "41.1", "97", "", "20", "41"), "HIGH", 41.1, "mapped"),
        ((275, "3", "20.000", "97.0", "", "20.000", "41"), "NORMAL", 20.0, "mapped"),
        ((275, "0", "19.9", "97", "", "20", "41"), "LOW", 19.9, "mapped"),
        # one end of the range is enough
        ((275, "3", "42", "97", "", "", "41"), "HIGH", 42.0, "mapped"),
        ((275, "3", "40", "97", "", "20", ""), "NORMAL", 40.0, "mapped"),
        # the range is in the unit of the value, which is converted afterwards
        ((275, "3", "6.5", "1", "", "4", "6"), "HIGH", 10.93 * 6.5 - 23.5, "mapped"),
        # no range, or one that is none
        ((275, "3", "42", "97", "", "", ""), "DONE", 42.0, "no range"),
        ((275, "3", "42", "97", "", "0", "0"), "DONE", 42.0, "no range"),
        ((275, "3", "42", "97", "", "50", "41"), "DONE", 42.0, "no range"),
        ((275, "3", "42", "97", "", "90", "0"), "DONE", 42.0, "no range"),
        # a value with an operator is a bound
        ((275, "1", "20", "97", "", "20", "41"), "LOW", None, "mapped"),
        ((275, "2", "20", "97", "", "20", "41"), "DONE", None, "value not exact"),
        ((275, "1", "30", "97", "", "20", "41"), "DONE", None, "value not exact"),
        ((275, "1", "41", "97", "", "", "41"), "NORMAL", None, "mapped"),
        ((275, "4", "41", "97", "", "20", "41"), "HIGH", None, "mapped"),
        ((275, "5", "41", "97", "", "20", "41"), "DONE", None, "value not exact"),
        ((275, "4", "60", "97", "", "60", ""), "NORMAL", None, "mapped"),
        ((275, "4", "90", "97", "", "", ""), "DONE", None, "no range"),
        ((275, "6", "42", "97", "", "20", "41"), "DONE", None, "value not exact"),
        ((275, "99", "42", "97", "", "20", "41"), "DONE", None, "value not exact"),
        # units
        ((275, "3", "42", "0", "", "20", "41"), "DONE", None, "unit not certain"),
        ((275, "3", "42", "", "", "20", "41"), "DONE", None, "unit not certain"),
        ((275, "3", "42", "96", "", "20", "41"), "DONE", None, "unit not certain"),
        ((275, "3", "42", "x", "", "20", "41"), "DONE", None, "unit not certain"),
        # values
        ((275, "3", "", "97", "", "20", "41"), "DONE", None, "no value"),
        ((275, "3", "high", "97", "", "20", "41"), "DONE", None, "value cannot be read"),
        ((275, "3", "9.9", "97", "", "20", "41"), "DONE", None, "implausible value"),
        ((275, "3", "42", "1", "", "4", "6"), "DONE", None, "implausible value"),
        ((275, "3", "10", "97", "", "20", "41"), "LOW", 10.0, "mapped"),
        ((275, "3", "250", "97", "", "20", "41"), "HIGH", 250.0, "mapped"),
        # the qualifier decides only where value and range do not
        ((275, "3", "", "97", "8", "", ""), "HIGH", None, "by the qualifier"),
        ((275, "3", "42", "97", "10", "", ""), "LOW", 42.0, "by the qualifier"),
        ((275, "3", "42", "97", "10", "20", "41"), "HIGH", 42.0, "mapped"),
        ((275, "3", "", "97", "12", "", ""), "DONE", None, "no value"),
        ((275, "3", "42", "0", "8", "", ""), "DONE", None, "unit not certain"),
        ((225, "9", "", "", "", "", ""), "NORMAL", None, "by the qualifier"),
        ((225, "0", "1", "2", "8", "", ""), "DONE", None, "no value"),
    ],
)
def test_the_recorded_range_decides(
    tmp_path: Path, row: Any, level: str, value: float | None, outcome: str
) -> None:
    (found,) = gold(tmp_path, row).to_dicts()
    test = "HbA1c" if row[0] == 275 else "Liver"
    assert found["events"] == [f"TEST//{test}//{level}"]
    assert found["outcome"] == outcome
    assert found["value"] == (None if value is None else pytest.approx(value, rel=1e-6))
    assert found["unit"] == (None if value is None else "mmol/mol")


def test_an_entity_type_that_no_test_has_is_unmapped(tmp_path: Path) -> None:
    found = gold(tmp_path, (4, "1", "", "", "", "", ""), (None, "3", "4", "97", "", "", ""))
    assert found["events"].to_list() == [None, None]
    assert found["outcome"].to_list() == ["unmapped", "unmapped"]
    assert found["code"].to_list() == ["4", None]


def plain_level(
    operator: str, value: float, low: float | None, high: float | None
) -> tuple[str, bool]:
    """Return the level, and whether it follows, by trying values that the record allows."""
    if (low or 0) == 0 and (high or 0) == 0:
        return "DONE", False
    if low is not None and high is not None and low > high:
        return "DONE", False
    allowed = {
        "=": [value],
        "<": [value - step for step in (1e-6, value / 2, value) if value - step >= 0],
        "<=": [value, value / 2, 0.0],
        ">": [value + 1e-6, value + 1e9],
        ">=": [value, value + 1e9],
    }[operator]

    def of(number: float) -> str:
        if low is not None and number < low:
            return "LOW"
        return "HIGH" if high is not None and number > high else "NORMAL"

    levels = {of(number) for number in allowed}
    return (levels.pop(), True) if len(levels) == 1 else ("DONE", False)


VALUES = st.integers(1, 9).map(float)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["=", "<", "<=", ">", ">="]),
            VALUES,
            st.none() | st.just(0.0) | VALUES,
            st.none() | st.just(0.0) | VALUES,
        ),
        min_size=1,
    )
)
def test_a_level_follows_from_every_value_that_the_record_allows(
    rows: list[tuple[str, float, float | None, float | None]],
) -> None:
    frame = pl.DataFrame(
        [
            (at, DAY, 275, "T", 0.0, 100.0, "g", operator, str(value), 1, None, low, high)
            for at, (operator, value, low, high) in enumerate(rows)
        ],
        schema={
            "subject_id": pl.Int64,
            "day": pl.Date,
            "code": pl.Int64,
            "test": pl.String,
            "lowest": pl.Float64,
            "highest": pl.Float64,
            "in_unit": pl.String,
            "operator": pl.String,
            "written": pl.String,
            "unit": pl.Int64,
            "qualifier": pl.String,
            "low": pl.Float64,
            "high": pl.Float64,
        },
        orient="row",
    )
    units = pl.DataFrame(
        {"test": ["T"], "unit": [1], "factor": [1.0], "offset": [0.0]},
        schema_overrides={"unit": pl.Int64},
    )
    found = laboratory.judged(frame.lazy(), units).collect().sort("subject_id")
    for row, events, outcome in zip(rows, found["events"], found["outcome"], strict=True):
        level, follows = plain_level(*row)
        assert events.to_list() == [f"TEST//T//{level}"], row
        assert (outcome == "mapped") == follows, row


def test_an_observation_is_a_test_by_the_code_list(tmp_path: Path) -> None:
    listed = tmp_path / "tests.csv"
    listed.write_text("medcodeid,test,term\n123456789012345678,HbA1c,x\n7,Liver,\n,,\n")
    recorded = laboratory.listed_codes(listed, DEFINITIONS)
    units = laboratory.certain_units(DEFINITIONS, {1: "mmol / MOL", 2: "%", 3: "u/l", 9: ""})
    rows = [
        (1, 123456789012345678, "48", "1", "20", "42"),
        (2, 123456789012345678, "6.5", "2", None, None),
        (3, 123456789012345678, "48", None, "20", "42"),
        (4, 7, "3.000", "3", "1", "5"),
        (5, 7, None, None, None, None),
        (6, 8, "3", "3", "1", "5"),
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "patid": pl.Int64,
            "medcode": pl.Int64,
            **dict.fromkeys(("value", "numunitid", "numrangelow", "numrangehigh"), pl.String),
        },
        orient="row",
    ).with_columns(eventdate=pl.lit(DAY), shard=pl.lit(0, pl.UInt16))
    frame.write_parquet(tmp_path / "rows")
    found = laboratory.scan_aurum([tmp_path / "rows"], 0, recorded, units).collect()
    shown = found.sort("subject_id").select("subject_id", "events", "value", "outcome", "code")
    assert [(*row[:1], row[1][0], *row[2:]) for row in shown.rows()] == [
        (1, "TEST//HbA1c//HIGH", 48.0, "mapped", "123456789012345678"),
        (2, "TEST//HbA1c//DONE", pytest.approx(10.93 * 6.5 - 23.5), "no range", str(rows[0][1])),
        (3, "TEST//HbA1c//DONE", None, "unit not certain", "HbA1c, unit 0"),
        (4, "TEST//Liver//NORMAL", 3.0, "mapped", "7"),
        (5, "TEST//Liver//DONE", None, "no value", "7"),
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([LIVER], r"no entity type 275 in entity\.txt"),
        (
            [HBA1C.replace("\tTest\t", "\tClinical\t"), LIVER],
            "entity type 275 is of the table Clinical, not Test",
        ),
        (
            [HBA1C.replace("HbA1c", "Glucose"), LIVER],
            r"entity type 275 is 'Glucose - diabetic control' in entity\.txt, not hba1c",
        ),
        ([HBA1C.replace("Value", "Weeks"), LIVER], "275 has other fields than a test"),
    ],
)
def test_an_entity_type_that_does_not_fit_is_refused_and_a_standard_one_left_out(
    tmp_path: Path, lines: list[str], problem: str
) -> None:
    tests = {"HbA1c": laboratory.definitions({})["HbA1c"], "Liver": DEFINITIONS["Liver"]}
    file = entity_file(tmp_path, *lines)
    with pytest.raises(InputError, match=r"HbA1c\.entities: .*" + problem):
        laboratory.entity_types(file, tests, {"HbA1c"})
    recorded, left_out = laboratory.entity_types(file, tests, set())
    assert recorded["test"].to_list() == ["Liver"]
    assert list(left_out) == ["HbA1c"]
    assert re.search(problem, left_out["HbA1c"])


def test_standard_tests_that_the_look_up_has_are_read(tmp_path: Path) -> None:
    tests = laboratory.definitions({})
    recorded, left_out = laboratory.entity_types(entity_file(tmp_path, HBA1C), tests, set())
    assert recorded.rows() == [(275, "HbA1c", False, 10.0, 250.0, "mmol/mol")]
    assert left_out["Creatinine"] == "no entity type 165 in entity.txt"
    assert "HbA1c" not in left_out


def test_the_standard_tests_are_of_different_entity_types_and_have_plausible_limits() -> None:
    tests = laboratory.definitions({"ESR": None, "HbA1c": DEFINED["HbA1c"]})
    assert "ESR" not in tests
    assert tests["HbA1c"] == DEFINITIONS["HbA1c"]
    entities = [entity for test in tests.values() for entity in test.entities]
    assert len(entities) == len(set(entities))
    for test in tests.values():
        for unit, conversion in test.units.items():
            assert math.isfinite(conversion.factor), unit


def test_a_test_without_a_unit_says_so() -> None:
    values = {"unit": "", "units": {"Ratio": {}}, "lowest": 0.5, "highest": 20}
    tests = {"INR": LaboratoryTest.model_validate(values)}
    units = laboratory.certain_units(tests, {0: "No Data Entered", 151: "ratio", 1: "%"})
    assert units.rows() == [("INR", 0, 1.0, 0.0), ("INR", 151, 1.0, 0.0)]
    # Aurum's look-up has no code for no unit
    assert laboratory.certain_units(tests, {151: "RATIO"})["unit"].to_list() == [0, 151]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("medcodeid;test\n1;HbA1c\n", "no column 'medcodeid'"),
        ("medcodeid,test\n1.2E+17,HbA1c\n", "line 2: the medcodeid is not a whole number"),
        ("medcodeid,test\n1,HbA1c\n1,Liver\n", "line 3: the medcodeid is also HbA1c"),
        ("medcodeid,test\n1,Hba1c\n", "line 2: there is no test 'Hba1c'"),
        ("medcodeid,test\n", "no medcodeid in it"),
    ],
)
def test_a_code_list_that_is_not_certain_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "tests.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        laboratory.listed_codes(path, DEFINITIONS)
