"""Inputs beyond diagnoses of MEDS and OMOP: hand-made rows, and plain Python as the oracle."""

import datetime
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from behrt.errors import InputError
from behrt.sequences.sequences import build_sequences
from behrt.sequences.vocabulary import build_vocabulary
from behrt.settings.concepts import MeasurementSettings
from behrt.settings.sources import Meds, Omop
from behrt.sources import omop_inputs
from behrt.sources.input_words import describe_meds, find_codes, make_omop_words
from behrt.sources.inputs import InputRecords, read_tests
from behrt.sources.meds_inputs import InputCodes, to_records
from behrt.sources.records import Tally, write_records

from .conftest import bring_in

ALL = ("medications", "procedures", "tests", "measurements")
BANDS = MeasurementSettings()
CODES = [item.model_dump() for item in Meds().input_codes]
COLUMNS = Meds().columns.model_dump()
NO_TESTS = read_tests(None)


def records(
    *rows: tuple[Any, ...],
    concepts: tuple[str, ...] = ALL,
    tests: pl.DataFrame = NO_TESTS,
    codes: list[dict[str, Any]] | None = None,
    tally: Tally | None = None,
) -> list[tuple[Any, ...]]:
    """Return event, value, unit and outcome of (code, numeric, text, unit, low, high)."""
    events = pl.DataFrame(
        [(1, datetime.datetime(2000, 1, 1), *row, *[None] * (6 - len(row))) for row in rows],
        schema={
            "subject_id": pl.Int64,
            "time": pl.Datetime("us"),
            "code": pl.String,
            "numeric_value": pl.Float64,
            "text_value": pl.String,
            "unit": pl.String,
            "low": pl.Float64,
            "high": pl.Float64,
        },
        orient="row",
    )
    known = InputCodes.read(concepts, CODES if codes is None else codes, COLUMNS)
    found = to_records(events, known, tests, BANDS, tally or Tally("0.parquet"))
    return found.select("event", "value", "unit", "outcome").rows()


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("MEDICATION//START//Heparin", "MEDICATION//CODE//Heparin"),
        ("MEDICATION//Heparin//Administered", "MEDICATION//CODE//Heparin"),
        ("MEDICATION//BNF//0601", "MEDICATION//BNF//0601"),
        ("MEDICATION//CODE//Heparin", "MEDICATION//CODE//Heparin"),
        ("PROCEDURE//ICD//10//0BH17EZ", "PROCEDURE//CODE//ICD//10//0BH17EZ"),
        ("PROCEDURE//OPCS4//K401", "PROCEDURE//OPCS4//K401"),
        ("TEST//HbA1c//HIGH", "TEST//HbA1c//HIGH"),
        ("MEASUREMENT//SMOKING//EX", "MEASUREMENT//SMOKING//EX"),
        ("MEASUREMENT//BMI//BELOW_18.5", "MEASUREMENT//BMI//BELOW_18.5"),
        ("SMOKING_STATUS//current", "MEASUREMENT//SMOKING//CURRENT"),
    ],
)
def test_public_codes_and_codes_of_this_workflow_are_read(code: str, event: str) -> None:
    assert records((code,)) == [(event, None, None, "mapped")]


@pytest.mark.parametrize(
    "code",
    [
        "MEDICATION//STOP//Heparin",
        "MEDICATION//Heparin//Not Given",
        "PROCEDURE//END//1",
        "TEST//HbA1c",
        "LAB//SPECIMEN_COLLECTED//50912",
        "DIAGNOSIS//ICD//10//I10",
        "ICD10//I10",
        "MEASUREMENT//SMOKING//SOMETIMES",
    ],
)
def test_other_codes_are_no_inputs(code: str) -> None:
    assert records((code,)) == []


def test_only_the_inputs_that_the_run_names_are_read() -> None:
    rows = [("MEDICATION//BNF//0601",), ("TEST//HbA1c//HIGH",), ("LAB//1//mg/dL", 1.0)]
    assert records(*rows, concepts=("medications",)) == [
        ("MEDICATION//BNF//0601", None, None, "mapped")
    ]
    assert records(*rows, concepts=()) == []


def ranges_file(folder: Path, *lines: str) -> Path:
    path = folder / "tests.csv"
    path.write_text("\n".join(["code,test,unit,low,high", *lines]) + "\n")
    return path


def test_a_value_is_low_normal_or_high_only_by_a_range_in_its_unit(tmp_path: Path) -> None:
    ranges = read_tests(
        ranges_file(
            tmp_path, "50912,Creatinine,mg/dL,0.5,1.2", "50912,Creatinine,umol/L,,106", "7,Iron,,,"
        )
    )
    unit = "mg / DL"
    for value, level in ((0.49, "LOW"), (0.5, "NORMAL"), (1.2, "NORMAL"), (1.21, "HIGH")):
        assert records((f"LAB//50912//{unit}", value), tests=ranges) == [
            (f"TEST//Creatinine//{level}", pytest.approx(value), unit, "mapped")
        ]
    cases = [
        # code, value, text, unit, low, high: level, is the value kept, outcome
        (("LAB//50912//µmol/L", 106.0), "NORMAL", True, "mapped"),
        (("LAB//50912//µmol/L", 106.5), "HIGH", True, "mapped"),
        (("LAB//50912//mmol/L", 106.5), "DONE", False, "unit not certain"),
        (("LAB//50912//UNK", 106.5), "DONE", False, "unit not certain"),
        (("LAB//50912//UNK", 106.5, None, "umol/L"), "HIGH", True, "mapped"),
        (("LAB//50912//mg/dL", None), "DONE", False, "no value"),
        (("LAB//50912//mg/dL", math.nan), "DONE", False, "no value"),
        (("LAB//50912//mg/dL", None, "hemolyzed"), "DONE", False, "value cannot be read"),
        (("LAB//50912//mg/dL", None, " 1.3 "), "HIGH", True, "mapped"),
        # the range of the row counts, in whatever unit
        (("LAB//50912//mg/dL", 1.3, None, None, 0.1, 2.0), "NORMAL", True, "mapped"),
        (("LAB//50912//UNK", 1.3, None, None, None, 1.0), "HIGH", False, "mapped"),
        (("LAB//50912//mg/dL", 1.3, None, None, 2.0, 1.0), "DONE", True, "no range"),
    ]
    for row, level, kept, outcome in cases:
        (found,) = records(row, tests=ranges)
        assert (found[0], found[3]) == (f"TEST//Creatinine//{level}", outcome), row
        assert (found[1] is not None, found[2] is not None) == (kept, kept), row
    assert records(("LAB//7//ug/dL", 80.0), tests=ranges) == [
        ("TEST//Iron//DONE", 80.0, "ug/dL", "no range")
    ]
    assert records(("LAB//8//ug/dL", 80.0), tests=ranges) == [
        ("TEST//8//DONE", 80.0, "ug/dL", "no range")
    ]


def test_measurements_need_their_unit_and_a_plausible_value() -> None:
    bmi, pressure = "MEASUREMENT//BMI//", "MEASUREMENT//BLOOD_PRESSURE//"
    cases = [
        (("BMI (kg/m2)", None, "29.9"), f"{bmi}25-30", "mapped"),
        (("BMI (kg/m2)", 30.0), f"{bmi}30-35", "mapped"),
        (("BMI//kg/m^2", 18.49), f"{bmi}BELOW_18.5", "mapped"),
        (("BMI", 30.0), None, "unit not certain"),
        (("BMI", 30.0, None, "kg / m2"), f"{bmi}30-35", "mapped"),
        (("BMI (lb/in2)", 30.0), None, "unit not certain"),
        (("BMI (kg/m2)", 9.9), None, "implausible value"),
        (("BMI (kg/m2)", 100.0), f"{bmi}FROM_40", "mapped"),
        (("BMI (kg/m2)", None), None, "no value"),
        (("BMI (kg/m2)", None, "obese"), None, "value cannot be read"),
        (("Blood Pressure", None, "139/90"), f"{pressure}120-140", "mapped"),
        (("Blood Pressure Sitting", None, "140 / 90"), f"{pressure}140-160", "mapped"),
        (("BLOOD_PRESSURE//SYSTOLIC", 180.0), f"{pressure}FROM_180", "mapped"),
        (("Blood Pressure", 18.0, None, "kPa"), None, "unit not certain"),
        (("Blood Pressure", None, "400/90"), None, "implausible value"),
        (("Blood Pressure Diastolic", 90.0), "none", ""),
    ]
    for row, event, outcome in cases:
        found = records(row)
        if outcome:
            assert [(found[0][0], found[0][3])] == [(event, outcome)], row
            assert (found[0][1] is None) == (outcome != "mapped"), row
        else:
            assert found == [], row


def test_an_own_pattern_names_a_test_and_a_unit() -> None:
    codes = [{"kind": "tests", "pattern": "VITAL//9", "name": "Pulse", "unit": "bpm"}]
    assert records(("VITAL//9", 60.0), codes=codes) == [
        ("TEST//Pulse//DONE", 60.0, "bpm", "no range")
    ]
    with pytest.raises(InputError, match="not a regular expression"):
        records(codes=[{"kind": "tests", "pattern": "(", "name": "x", "unit": None}])


def test_a_name_that_no_table_can_show_is_counted_and_no_word() -> None:
    assert records(("MEDICATION//START//a\tb",)) == [(None, None, None, "unmapped")]


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    tally = Tally("0.parquet")
    events = pl.DataFrame(
        {
            "subject_id": [None, 1, 1],
            "time": [datetime.datetime(2000, 1, 1), datetime.datetime(1000, 1, 1), None],
            "code": "MEDICATION//BNF//06",
        },
        schema_overrides={"time": pl.Datetime("us")},
    ).with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in ("numeric_value", "low", "high")),
        *(pl.lit(None, pl.String).alias(name) for name in ("text_value", "unit")),
    )
    known = InputCodes.read(ALL, CODES, COLUMNS)
    found = to_records(events, known, NO_TESTS, BANDS, tally)
    assert found["day"].to_list() == [None]
    assert (tally.rows_read, tally.rows_kept) == (3, 1)
    assert set(tally.refused) == {"blank subject_id", "a date outside the years 1800 to 2299"}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["1,A,mg,2,1"], "a lower bound is above"),
        (["1,A,,2,3"], "a range has no unit"),
        (["1,A,mg,x,3"], "a bound is not a number"),
        (["1,A,mg,1,3", "1,B,g,1,3"], "a code has two names"),
        (["1,A,mg,1,3", "1,A,MG,1,4"], "a code has two ranges"),
        ([",A,mg,1,3"], "has no code"),
        (["1,,mg,1,3"], "no name"),
    ],
)
def test_a_file_of_ranges_with_a_fault_is_refused(
    lines: list[str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=problem):
        read_tests(ranges_file(tmp_path, *lines))


# OMOP


def omop(
    folder: Path, table: str, rows: pl.DataFrame, concepts: tuple[str, ...] = ALL, **options: Any
) -> pl.DataFrame:
    folder.mkdir(exist_ok=True)
    rows.write_parquet(folder / f"{table}.parquet")
    known = omop_inputs.Measurements(tuple(item.model_dump() for item in Omop().measurements))
    batches = omop_inputs.read_batches(
        folder / f"{table}.parquet",
        table,
        concepts,
        known,
        options.get("tests", NO_TESTS),
        BANDS,
        options.get("tally", Tally(table)),
    )
    return pl.concat(list(batches))


DAY = datetime.date(2000, 1, 1)


def measurement(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return the table of (concept, value, unit, low, high, operator)."""
    return pl.DataFrame(
        [(1, DAY, *row, *[None] * (6 - len(row)), "text") for row in rows],
        schema={
            "person_id": pl.Int64,
            "measurement_date": pl.Date,
            "measurement_concept_id": pl.Int64,
            "value_as_number": pl.Float64,
            "unit_concept_id": pl.Int64,
            "range_low": pl.Float64,
            "range_high": pl.Float64,
            "operator_concept_id": pl.Int64,
            "unit_source_value": pl.String,
        },
        orient="row",
    )


def test_measurements_of_omop_are_judged_by_their_own_range(tmp_path: Path) -> None:
    rows = [
        (3004410, 48.0, 9579, 20.0, 42.0),
        (3004410, 42.0, 9579, 20.0, 42.0),
        (3004410, 19.9, 0, 20.0, 42.0),
        (3004410, 48.0, 9579, 20.0, 42.0, 4171756),
        (3004410, 48.0, 9579, 20.0, 42.0, 4172703),
        (3004410, 48.0, 9579),
        (3004410,),
        (0, 48.0),
        (3038553, 30.0, 9531),
        (3038553, 30.0, 0),
        (3004249, 139.0, 8876),
    ]
    found = omop(tmp_path, "measurement", measurement(*rows))
    by_concept = found.partition_by("concept", as_dict=True)
    hba1c = "TEST//OMOP//3004410"
    assert by_concept[("tests",)].select("event", "value", "unit", "outcome").rows() == [
        (f"{hba1c}//HIGH", 48.0, "text", "mapped"),
        (f"{hba1c}//NORMAL", 42.0, "text", "mapped"),
        (f"{hba1c}//LOW", None, None, "mapped"),
        (f"{hba1c}//DONE", None, None, "value not exact"),
        (f"{hba1c}//HIGH", 48.0, "text", "mapped"),
        (f"{hba1c}//DONE", 48.0, "text", "no range"),
        (f"{hba1c}//DONE", None, None, "no value"),
        (None, None, None, "no range"),
    ]
    assert by_concept[("measurements",)].select("event", "value", "unit", "outcome").rows() == [
        ("MEASUREMENT//BMI//30-35", 30.0, "kg/m2", "mapped"),
        (None, None, None, "unit not certain"),
        ("MEASUREMENT//BLOOD_PRESSURE//120-140", 139.0, "mmHg", "mapped"),
    ]
    only = omop(tmp_path, "measurement", measurement(*rows), ("tests",))
    assert only["concept"].unique().to_list() == ["tests"]


def test_the_configuration_names_a_test_of_omop_and_gives_its_range(tmp_path: Path) -> None:
    tests = read_tests(ranges_file(tmp_path, "3004410,HbA1c,9579,20,42"))
    rows = measurement((3004410, 48.0, 9579), (3004410, 6.5, 8554))
    found = omop(tmp_path, "measurement", rows, tests=tests)
    assert found.select("event", "outcome", "code").rows() == [
        ("TEST//HbA1c//HIGH", "mapped", "OMOP//3004410"),
        ("TEST//HbA1c//DONE", "unit not certain", "OMOP//3004410, unit 8554"),
    ]


def test_smoking_is_read_from_the_concept_or_its_value(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "person_id": 1,
            "observation_date": DAY,
            "observation_concept_id": [4310250, 43054909, 43054909, 7, 4298794],
            "value_as_concept_id": [None, 45879404, 0, None, 45878245],
        }
    )
    found = omop(tmp_path, "observation", rows)
    expected = [
        ("MEASUREMENT//SMOKING//EX", "mapped", "OMOP//4310250"),
        ("MEASUREMENT//SMOKING//NEVER", "mapped", "OMOP//45879404"),
        (None, "unmapped", "OMOP//45878245"),  # "Smoker" was answered with "No"
    ]
    assert found.select("event", "outcome", "code").rows() == expected
    # In the table measurement, they are measurements as well, and not tests.
    renamed = rows.rename(lambda name: name.replace("observation", "measurement"))
    measured = omop(tmp_path, "measurement", renamed)
    smoking = measured.filter(pl.col("concept") == "measurements")
    assert smoking.select("event", "outcome", "code").rows() == expected
    tested = measured.filter(pl.col("concept") == "tests")["code"].to_list()
    assert tested == ["OMOP//43054909", "OMOP//7"]
    only = omop(tmp_path, "measurement", renamed, ("measurements",))
    assert only.select("event", "outcome", "code").rows() == expected
    assert omop(tmp_path, "measurement", renamed, ("tests",))["code"].to_list() == tested


CONCEPTS = """concept_id\tconcept_name\tvocabulary_id\tconcept_class_id\tconcept_code
11\tmetformin 500 MG Oral Tablet\tRxNorm\tClinical Drug\t861007
12\tMetformin\tRxNorm\tIngredient\t6809
13\tBLOOD GLUCOSE LOWERING DRUGS\tATC\tATC 2nd\tA10
14\tALIMENTARY TRACT\tATC\tATC 1st\tA
15\taspirin 75 MG\tRxNorm\tClinical Drug\t1
16\tASPIRIN AGENTS\tATC\tATC 2nd\tB01
17\tANALGESICS\tATC\tATC 2nd\tN02
21\tRepair of heart\tSNOMED\tProcedure\t64915003
22\tCoronary bypass\tOPCS4\tOPCS4\tK40.1
31\tHbA1c\tLOINC\tLab Test\t4548-4
"""
ANCESTORS = [(12, 11), (13, 11), (14, 11), (11, 11), (16, 15), (17, 15), (13, 99)]


def words(
    tmp_path: Path, level: Any, characters: int = 3, delivered: bool = True
) -> tuple[dict[tuple[str, int | None], set[str | None]], dict[str, str]]:
    frame = pl.DataFrame(
        [
            ("medications", "OMOP//11", None, None),
            ("medications", "OMOP//15", None, None),
            ("medications", "OMOP//18", None, None),
            ("procedures", "OMOP//21", 22, None),
            ("procedures", "OMOP//21", None, None),
            ("tests", "OMOP//31", None, "TEST//OMOP//31//HIGH"),
        ],
        schema={
            "concept": pl.String,
            "code": pl.String,
            "source_concept": pl.Int64,
            "event": pl.String,
        },
        orient="row",
    )
    concepts, ancestors = tmp_path / "CONCEPT.csv", tmp_path / "CONCEPT_ANCESTOR.csv"
    concepts.write_text(CONCEPTS)
    lines = [f"{above}\t{below}\t1\t1" for above, below in ANCESTORS]
    header = "ancestor_concept_id\tdescendant_concept_id\tmin\tmax"
    ancestors.write_text("\n".join([header, *lines]) + "\n")
    files = ([concepts], [ancestors]) if delivered else ([], [])
    made, named = make_omop_words(frame, level, characters, *files)
    found: dict[tuple[str, int | None], set[str | None]] = {}
    for _, code, source, event in made.iter_rows():
        found.setdefault((code, source), set()).add(event)
    return found, dict(named.iter_rows())


def test_drugs_of_omop_become_classes_or_ingredients(tmp_path: Path) -> None:
    section, named = words(tmp_path, "section")
    assert section[("OMOP//11", None)] == {"MEDICATION//ATC//A10"}
    assert section[("OMOP//15", None)] == {"MEDICATION//ATC//B01", "MEDICATION//ATC//N02"}
    assert section[("OMOP//18", None)] == {None}
    assert named["MEDICATION//ATC//A10"] == "A10 blood glucose lowering drugs"
    assert named["TEST//OMOP//31//HIGH"] == "HbA1c: high"
    assert named["PROCEDURE//OMOP//21"] == "Repair of heart"
    chapter, _ = words(tmp_path, "chapter")
    assert chapter[("OMOP//11", None)] == {"MEDICATION//ATC//A"}
    substance, _ = words(tmp_path, "substance")
    assert substance[("OMOP//11", None)] == {"MEDICATION//SUBSTANCE//metformin"}
    itself, none = words(tmp_path, "section", delivered=False)
    assert itself[("OMOP//18", None)] == {"MEDICATION//OMOP//18"}
    assert none == {}


def test_a_procedure_of_omop_is_its_opcs_4_code_or_its_concept(tmp_path: Path) -> None:
    for characters, code in ((3, "K40"), (4, "K401")):
        found, _ = words(tmp_path, "section", characters)
        assert found[("OMOP//21", 22)] == {f"PROCEDURE//OPCS4//{code}"}
        assert found[("OMOP//21", None)] == {"PROCEDURE//OMOP//21"}


def test_a_table_that_an_input_needs_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "measurement.csv").touch()
    (tmp_path / "observation_period.csv").touch()
    found = omop_inputs.find_parts(tmp_path, ["tests", "measurements"])
    assert [(part.table, part.path.name) for part in found] == [("measurement", "measurement.csv")]
    with pytest.raises(InputError, match="drug_exposure"):
        omop_inputs.find_parts(tmp_path, ["medications"])


def test_codes_are_found_and_described_as_the_dataset_describes_them(tmp_path: Path) -> None:
    events = pl.DataFrame(
        {
            "subject_id": 1,
            "time": datetime.datetime(2000, 1, 1),
            "code": ["LAB//50912//mg/dL", "TEST//HbA1c//HIGH", "MEDICATION//BNF//06"],
            "numeric_value": [1.0, 60.0, None],
        }
    ).with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in ("low", "high")),
        *(pl.lit(None, pl.String).alias(name) for name in ("text_value", "unit")),
    )
    known = InputCodes.read(ALL, CODES, COLUMNS)
    made = to_records(events, known, NO_TESTS, BANDS, Tally("0.parquet"))
    path = tmp_path / "records.parquet"
    write_records([made], path, 2, InputRecords)
    metadata = pl.DataFrame(
        {
            "code": ["LAB//50912//mg/dL", "TEST//HbA1c//HIGH"],
            "description": ["Creatinine", "HbA1c above the range"],
        }
    )
    assert describe_meds(find_codes([path], 2), metadata).rows() == [
        ("TEST//50912//DONE", "Creatinine: done"),
        ("TEST//HbA1c//HIGH", "HbA1c above the range"),
    ]


# The stages from files to MEDS


def dataset(folder: Path, rows: list[tuple[Any, ...]]) -> Path:
    """Write (subject, day, code, numeric_value, unit) as a MEDS dataset."""
    path = folder / "data" / "0.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame(
        [(*row, *[None] * (5 - len(row))) for row in rows],
        schema={
            "subject_id": pl.Int64,
            "time": pl.String,
            "code": pl.String,
            "numeric_value": pl.Float32,
            "unit": pl.String,
        },
        orient="row",
    ).with_columns(pl.col("time").str.to_datetime(time_unit="us")).write_parquet(path)
    return folder


def of(rows: pl.DataFrame, subject: int) -> list[tuple[Any, ...]]:
    day = pl.col("time").dt.to_string("%Y-%m-%d")
    chosen = rows.filter(pl.col("subject_id") == subject)
    return chosen.select(day, "code", "numeric_value", "unit").rows()


PEOPLE = [
    *[(subject, "1950-01-01", "MEDS_BIRTH") for subject in (1, 2, 3)],
    (1, "1990-01-01", "FOLLOW_UP//START"),
    (1, "1999-12-31", "FOLLOW_UP//END"),
    (1, "1991-01-01", "ICD10/I10"),
    (1, "1989-12-31", "MEDICATION//START//Insulin"),
    (1, "1990-01-01", "MEDICATION//START//Insulin"),
    (1, "1990-01-01", "MEDICATION//Insulin//Administered"),
    (1, "1999-12-31", "PROCEDURE//OPCS4//K401"),
    (1, "2000-01-01", "PROCEDURE//OPCS4//K401"),
    (1, None, "PROCEDURE//OPCS4//K401"),
    (1, "1995-05-05", "TEST//HbA1c//HIGH", 60.0, "mmol/mol"),
    (1, "1995-05-05", "TEST//HbA1c//HIGH", 61.0, "mmol/mol"),
    (1, "1995-05-05", "LAB//50912//mg/dL", 1.0),
    (1, "1995-05-06", "BMI (kg/m2)", 31.0),
    (1, "1995-05-07", "BMI", 31.0),
    (1, "1995-05-08", "MEASUREMENT//SMOKING//EX"),
    (2, "1995-05-08", "MEASUREMENT//SMOKING//EX"),
    (4, "1995-05-08", "MEASUREMENT//SMOKING//EX"),  # without a birth
    (3, "1991-01-01", "ICD10/E11"),
    (3, "1992-01-01", "MEDICATION//BNF//0601"),
]
EXPECTED = {
    1: [
        (None, "SEX//unknown", None, None),
        ("1950-01-01", "MEDS_BIRTH", None, None),
        ("1990-01-01", "FOLLOW_UP//START", None, None),
        ("1990-01-01", "MEDICATION//CODE//Insulin", None, None),
        ("1991-01-01", "CALIBER//Hypertension", None, None),
        ("1995-05-05", "TEST//50912//DONE", 1.0, "mg/dL"),
        ("1995-05-05", "TEST//HbA1c//HIGH", 60.0, "mmol/mol"),
        ("1995-05-05", "TEST//HbA1c//HIGH", 61.0, "mmol/mol"),
        ("1995-05-06", "MEASUREMENT//BMI//30-35", 31.0, "kg/m2"),
        ("1995-05-08", "MEASUREMENT//SMOKING//EX", None, None),
        ("1999-12-31", "FOLLOW_UP//END", None, None),
        ("1999-12-31", "PROCEDURE//OPCS4//K401", None, None),
    ],
    2: [
        (None, "SEX//unknown", None, None),
        ("1950-01-01", "MEDS_BIRTH", None, None),
        ("1995-05-08", "FOLLOW_UP//END", None, None),
        ("1995-05-08", "FOLLOW_UP//START", None, None),
        ("1995-05-08", "MEASUREMENT//SMOKING//EX", None, None),
    ],
    4: [],
    3: [
        (None, "SEX//unknown", None, None),
        ("1950-01-01", "MEDS_BIRTH", None, None),
        ("1991-01-01", "CALIBER//Diabetes", None, None),
        ("1991-01-01", "FOLLOW_UP//START", None, None),
        ("1992-01-01", "FOLLOW_UP//END", None, None),
        ("1992-01-01", "MEDICATION//BNF//0601", None, None),
    ],
}


def test_a_dataset_becomes_meds_with_its_inputs_which_gives_itself_when_it_is_read(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    folder = dataset(tmp_path / "given", PEOPLE)
    first = bring_in("meds", folder, tmp_path / "first", lists, concepts=ALL)
    assert {subject: of(first, subject) for subject in EXPECTED} == EXPECTED
    counted = pl.read_parquet(tmp_path / "first/concepts/outcomes.parquet")
    assert {
        tuple(row[:2]): row[2] for row in counted.select("concept", "outcome", "rows").rows()
    } == {
        ("medications", "mapped"): 3,
        ("medications", "outside follow-up"): 1,
        ("procedures", "mapped"): 1,
        ("procedures", "outside follow-up"): 1,
        ("procedures", "no date"): 1,
        ("tests", "mapped"): 2,
        ("tests", "no range"): 1,
        ("measurements", "mapped"): 3,
        ("measurements", "unit not certain"): 1,
        ("measurements", "not in the cohort"): 1,
    }
    codes = pl.read_parquet(tmp_path / "first/meds/metadata/codes.parquet")
    assert set(first["code"]) <= set(codes["code"])
    again = bring_in("meds", tmp_path / "first/meds", tmp_path / "second", lists, concepts=ALL)
    assert again.equals(first)
    described = pl.read_parquet(tmp_path / "second/meds/metadata/codes.parquet")
    assert described.equals(codes)
    assert sequences(again, described).equals(sequences(first, codes))


def sequences(events: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    subjects = events.select("subject_id", split=pl.lit("train")).unique()
    return build_sequences(events, subjects, build_vocabulary(codes))


def test_without_inputs_nothing_else_is_read_and_the_columns_are_those_of_before(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    folder = dataset(tmp_path / "given", PEOPLE)
    rows = bring_in("meds", folder, tmp_path / "out", lists)
    assert rows.columns == ["subject_id", "time", "code", "numeric_value"]
    assert not rows["code"].str.contains("^(MEDICATION|PROCEDURE|TEST|MEASUREMENT)//").any()
    assert not (tmp_path / "out" / "concepts").exists()


def test_tables_of_omop_become_meds_with_their_inputs(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    folder = tmp_path / "omop"
    folder.mkdir()
    for name, text in {
        "person": "person_id,gender_concept_id,year_of_birth\n1,8507,1950\n",
        "observation_period": "person_id,observation_period_start_date,"
        "observation_period_end_date\n1,1990-01-01,1999-12-31\n",
        "condition_occurrence": "person_id,condition_start_date,condition_source_value\n"
        "1,1991-01-01,I10\n",
        "drug_exposure": "person_id,drug_concept_id,drug_exposure_start_date\n"
        "1,11,1990-01-01\n1,11,1989-12-31\n1,15,1999-12-31\n1,18,1995-01-01\n1,0,1995-01-01\n",
        "procedure_occurrence": "person_id,procedure_concept_id,procedure_date,"
        "procedure_source_concept_id\n1,21,1995-01-01,22\n",
        "measurement": "person_id,measurement_concept_id,measurement_date,value_as_number,"
        "range_low,range_high\n1,31,1995-01-02,60,20,42\n",
    }.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "CONCEPT.csv").write_text(CONCEPTS)
    header = "ancestor_concept_id\tdescendant_concept_id"
    pairs = "\n".join(f"{above}\t{below}" for above, below in ANCESTORS)
    (folder / "CONCEPT_ANCESTOR.csv").write_text(f"{header}\n{pairs}\n")
    rows = bring_in("omop", folder, tmp_path / "out", lists, concepts=ALL)
    inputs = [row[:2] for row in of(rows, 1) if row[1].startswith(("MED", "PRO", "TEST", "MEAS"))]
    assert inputs == [
        ("1950-01-01", "MEDS_BIRTH"),
        ("1990-01-01", "MEDICATION//ATC//A10"),
        ("1995-01-01", "PROCEDURE//OPCS4//K40"),
        ("1995-01-02", "TEST//OMOP//31//HIGH"),
        ("1999-12-31", "MEDICATION//ATC//B01"),
        ("1999-12-31", "MEDICATION//ATC//N02"),
    ]
    counted = pl.read_parquet(tmp_path / "out/concepts/outcomes.parquet")
    assert counted.filter(pl.col("concept") == "medications").rows() == [
        ("medications", "mapped", None, 2),
        ("medications", "no code", None, 1),
        ("medications", "outside follow-up", None, 1),
        ("medications", "unmapped", "OMOP//18", 1),
    ]
    codes = pl.read_parquet(tmp_path / "out/meds/metadata/codes.parquet")
    named = dict(codes.select("code", "description").iter_rows())
    assert named["TEST//OMOP//31//HIGH"] == "HbA1c: high"
