"""Records beyond diagnoses from delivered text to MEDS, in both databases, written by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faults import (
    AURUM_LAYOUT,
    GOUT,
    LAYOUT,
    PATIDS,
    write_aurum_delivery,
    write_delivery,
)
from layouts import write as write_layout
from stages import run_stages, write_lists

from behrt.concepts import PREFIXES
from behrt.cprd.check.report import check
from behrt.cprd.check.sampling import CheckSettings
from behrt.cprd.check.text import as_text
from behrt.cprd.concepts import look_ups
from behrt.cprd.databases import AURUM, DATABASES, GOLD
from behrt.errors import InputError
from behrt.files import read_json
from behrt.settings.delivery import CohortRules

ALL = ("diagnoses", "medications", "procedures", "tests", "measurements")
ONE, TWO = PATIDS[2], PATIDS[3]
OTHER = 99920001  # no row of Patient
SEVEN = "Operator\tOPR\tValue\t\tUnit of measure\tSUM\tQualifier\tTQU\tNormal range from\t\t"
ENTITY = (
    "enttype\tdescription\tfiletype\tcategory\tdata_fields\tdata1\tdata1_lkup\tdata2\tdata2_lkup\t"
    "data3\tdata3_lkup\tdata4\tdata4_lkup\tdata5\tdata5_lkup\tdata6\tdata6_lkup\n"
    "1\tBlood pressure\tClinical\tE\t7\tDiastolic\t\tSystolic\n"
    "4\tSmoking\tClinical\tL\t6\tStatus\tYND\n"
    "13\tWeight\tClinical\tE\t3\tWeight in kilos\t\tWeight centile\tCEN\tBMI\n"
    f"275\tHbA1c - diabetic control\tTest\tB\t7\t{SEVEN}Normal range to\n"
    f"163\tSerum cholesterol\tTest\tB\t7\t{SEVEN}Normal range to\n"
)
LOOK_UPS = {
    "product.txt": "prodcode\tdrugsubstance\tbnfcode\n5\tMetformin\t06010202\n"
    "6\tAspirin\t2.9/04070100\n7\tWater\t00000000\n",
    "entity.txt": ENTITY,
    "TXTFILES/SUM.txt": "Code\tSpecimen Unit Of Measure\n0\tNo Data Entered\n1\t%\n"
    "96\tmmol/L\n97\tmmol/mol\n",
    "TXTFILES/OPR.txt": "Code\tOperator\n0\tData Not Entered\n1\t<\n3\t=\n",
    "TXTFILES/TQU.txt": "Code\tTest Qualifier\n0\tData Not Entered\n8\tHigh\n",
    "TXTFILES/YND.txt": "Code\tSmoke/drink Status\n0\tData Not Entered\n1\tYes\n2\tNo\n3\tEx\n",
}
AURUM_LOOK_UPS = {
    "202205_EMISProductDictionary.txt": "ProdCodeId\tDrugSubstanceName\tBNFChapter\n"
    "500000000000000005\tMetformin\t6010202\n500000000000000006\tAspirin\t2090000/ 4070100\n",
    "NumUnit.txt": "numunitid\tDescription\n1\tmmol / mol\n2\t%\n3\tmmHg\n4\tkg/m2\n",
    "tests.csv": f"medcodeid,test\n{GOUT + 1},HbA1c\n{GOUT + 2},Cholesterol\n",
    "measurements.csv": f"medcodeid,measurement\n{GOUT + 3},BLOOD_PRESSURE\n{GOUT + 4},BMI\n"
    f"{GOUT + 5},SMOKING//EX\n",
}
PROCEDURES = [
    {"patid": ONE, "opcs": "K40.1", "evdate": "21/04/1998", "epistart": "20/04/1998"},
    {"patid": ONE, "opcs": "K40.2", "epistart": "20/04/1998"},
    {"patid": TWO, "opcs": "K401", "evdate": "31/03/1997"},  # before follow-up
    {"patid": TWO, "opcs": "-", "evdate": "21/04/1998"},
    {"patid": OTHER, "opcs": "K401", "evdate": "21/04/1998"},
]
PRESCRIPTIONS = [
    (ONE, "01/06/1998", 5),
    (ONE, "01/06/1998", 5),  # twice
    (ONE, "01/06/1998", 6),
    (ONE, "31/12/1999", 5),  # the last day
    (ONE, "01/01/2000", 5),
    (TWO, "01/04/1997", 5),  # the first day
    (TWO, "", 5),
    (TWO, "01/06/1998", 7),
    (TWO, "01/06/1998", 0),
    (OTHER, "01/06/1998", 5),
]


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / "lookups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace("\n", "\r\n").encode("cp1252"))


def write_gold(folder: Path) -> Path:
    write_delivery(folder)
    write_texts(folder, LOOK_UPS)
    prescriptions = [
        {"patid": patid, "eventdate": day, "prodcode": code} for patid, day, code in PRESCRIPTIONS
    ]
    tests = [
        (ONE, "02/06/1998", 275, "3", "48", "97", "0", "20", "42"),
        (ONE, "02/06/1998", 275, "3", "48.000", "97", "0", "20", "42"),  # the same
        (ONE, "02/06/1998", 275, "3", "40", "97", "0", "20", "42"),
        (ONE, "02/06/1998", 275, "1", "48", "97", "0", "20", "42"),
        (TWO, "02/06/1998", 163, "3", "5.1", "0", "0", "", "5"),
        (TWO, "02/06/1998", 163, "3", "5.1", "1", "8", "", "5"),
        (TWO, "02/06/1998", 999, "3", "5.1", "96", "0", "", "5"),
    ]
    names = ("patid", "eventdate", "enttype", *(f"data{place}" for place in range(1, 7)))
    additional = [
        (ONE, 4, 11, "1", "", ""),
        (ONE, 13, 12, "80", "", "30"),
        (TWO, 1, 13, "80", "140", ""),
        (TWO, 1, 0, "80", "140", ""),
        (TWO, 14, 14, "1.8", "", ""),
    ]
    clinical = [(ONE, "03/06/1998", 11), (ONE, "03/06/1998", 12), (TWO, "04/06/1998", 13)]
    for table, rows in {
        "therapy": prescriptions,
        "test": [dict(zip(names, row, strict=True)) for row in tests],
        "additional": [
            dict(zip(("patid", "enttype", "adid", "data1", "data2", "data3"), row, strict=True))
            for row in additional
        ],
        "clinical": [
            {"patid": patid, "eventdate": day, "adid": adid, "medcode": 0}
            for patid, day, adid in clinical
        ],
    }.items():
        number = "003" if table == "clinical" else "001"
        write_layout(LAYOUT, folder / f"gold/x_Extract_{table}_{number}.txt", table, rows)
    path = folder / "linked/hes_procedures_epi_x.txt"
    write_layout(LAYOUT, path, "hes_procedures_epi", PROCEDURES)
    return folder


def write_aurum(folder: Path) -> Path:
    write_aurum_delivery(folder)
    write_texts(folder, AURUM_LOOK_UPS)
    long = 500_000_000_000_000_000
    prescriptions = [
        {"patid": patid, "eventdate": day, "prodcode": code and code + long}
        for patid, day, code in PRESCRIPTIONS
    ]
    rows = [
        (ONE, "02/06/1998", 1, "48", "1", "20", "42"),
        (ONE, "02/06/1998", 1, "48.000", "1", "20.0", "42"),
        (ONE, "02/06/1998", 1, "40", "1", "20", "42"),
        (ONE, "02/06/1998", 1, "", "1", "20", "42"),
        (TWO, "02/06/1998", 2, "5.1", "", "", "5"),
        (ONE, "03/06/1998", 5, "", "", "", ""),
        (ONE, "03/06/1998", 4, "30", "", "", ""),
        (TWO, "04/06/1998", 3, "140", "3", "", ""),
        (TWO, "04/06/1998", 3, "140", "4", "", ""),
        (TWO, "", 3, "140", "3", "", ""),
    ]
    names = ("value", "numunitid", "numrangelow", "numrangehigh")
    observations = [
        {
            "patid": patid,
            "eventdate": day,
            "medcode": GOUT + code,
            "obsid": 2 * 10**17 + number,
            **dict(zip(names, values, strict=True)),
        }
        for number, (patid, day, code, *values) in enumerate(rows)
    ]
    for table, written in {"drugissue": prescriptions, "observation": observations}.items():
        path = folder / f"aurum/x_Extract_{table}_002.txt"
        write_layout(AURUM_LAYOUT, path, table, written)
    path = folder / "linked/hes_procedures_epi_x.txt"
    write_layout(AURUM_LAYOUT, path, "hes_procedures_epi", PROCEDURES)
    return folder


def run(folder: Path, database: str, inputs: tuple[str, ...] = ALL, **concepts: Any) -> Path:
    """Write a delivery in `folder`, once, and run the stages; return the folder of results."""
    delivery = folder / "delivery"
    if not delivery.exists():
        (write_gold if database == "gold" else write_aurum)(delivery)
    if database == "aurum":
        for name in ("tests", "measurements"):
            listed = {"codes": str(delivery / f"lookups/{name}.csv")}
            concepts[name] = {**listed, **concepts.get(name, {})}
    write_lists(folder / "lists")
    out = folder / f"out_{len(inputs)}"
    rules = {"minimum_visits": 1}
    run_stages(
        delivery,
        folder / "lists",
        out,
        2,
        rules,
        database=database,
        inputs=inputs,
        concepts=concepts,
    )
    return out


def events_of(out: Path) -> list[tuple[int, str, str, float | None, str | None]]:
    """Return the events beyond diagnoses, in order: patient, day, code, value, unit."""
    rows = pl.concat(pl.read_parquet(path) for path in sorted(out.glob("meds/data/*.parquet")))
    beyond = rows.filter(pl.col("code").str.contains(f"^({'|'.join(PREFIXES.values())})"))
    columns = [
        "subject_id",
        pl.col("time").dt.strftime("%Y-%m-%d"),
        "code",
        "numeric_value",
        "unit",
    ]
    return beyond.select(columns).sort(pl.all(), nulls_last=True).rows()


def outcomes_of(out: Path) -> dict[tuple[str, str, str | None], int]:
    rows = pl.read_parquet(out / "concepts/outcomes.parquet")
    return {row[:3]: row[3] for row in rows.select("concept", "outcome", "code", "rows").rows()}


MEDICATIONS = [
    (ONE, "1998-06-01", "MEDICATION//BNF//0209", None, None),
    (ONE, "1998-06-01", "MEDICATION//BNF//0407", None, None),
    (ONE, "1998-06-01", "MEDICATION//BNF//0601", None, None),
    (ONE, "1999-12-31", "MEDICATION//BNF//0601", None, None),
    (TWO, "1997-04-01", "MEDICATION//BNF//0601", None, None),
]
MEASURED = [
    (ONE, "1998-06-03", "MEASUREMENT//BMI//30-35", 30.0, "kg/m2"),
    (TWO, "1998-06-04", "MEASUREMENT//BLOOD_PRESSURE//140-160", 140.0, "mmHg"),
]
OPERATED = [
    (ONE, "1998-04-20", "PROCEDURE//OPCS4//K40", None, None),
    (ONE, "1998-04-21", "PROCEDURE//OPCS4//K40", None, None),
]


def counted(concept: str, **outcomes: int) -> dict[tuple[str, str, str | None], int]:
    names = {name: name.replace("_", " ").replace("follow up", "follow-up") for name in outcomes}
    return {(concept, names[name], None): rows for name, rows in outcomes.items()}


@pytest.mark.parametrize("database", ["gold", "aurum"])
def test_records_become_events_and_every_record_is_counted(tmp_path: Path, database: str) -> None:
    out = run(tmp_path, database)
    gold = database == "gold"
    smoking = "CURRENT" if gold else "EX"
    tested = [
        (ONE, "1998-06-02", "TEST//HbA1c//DONE", None, None),
        (ONE, "1998-06-02", "TEST//HbA1c//HIGH", 48.0, "mmol/mol"),
        (ONE, "1998-06-02", "TEST//HbA1c//NORMAL", 40.0, "mmol/mol"),
        (TWO, "1998-06-02", "TEST//Cholesterol//DONE", None, None),
    ]
    smoked = [(ONE, "1998-06-03", f"MEASUREMENT//SMOKING//{smoking}", None, None)]
    expected = [*MEDICATIONS, *MEASURED, *OPERATED, *tested, *smoked]
    assert events_of(out) == sorted(expected, key=lambda row: row[:3])
    prefix = "" if gold else "50000000000000000"
    unknown = {("medications", "unmapped", prefix + "7"): 1}
    assert outcomes_of(out) == {
        **counted(
            "medications", mapped=5, no_code=1, no_date=1, outside_follow_up=1, not_in_the_cohort=1
        ),
        **unknown,
        **counted("procedures", mapped=2, no_code=1, outside_follow_up=1, not_in_the_cohort=1),
        **(
            {
                **counted("tests", mapped=3, value_not_exact=1),
                ("tests", "unit not certain", "Cholesterol, unit 0"): 1,
                ("tests", "unit not certain", "Cholesterol, unit 1"): 1,
                ("tests", "unmapped", "999"): 1,
                **counted("measurements", mapped=3, no_date=1),
            }
            if gold
            else {
                **counted("tests", mapped=3, no_value=1),
                ("tests", "unit not certain", "Cholesterol, unit 0"): 1,
                **counted("measurements", mapped=3, no_date=1),
                ("measurements", "unit not certain", "BLOOD_PRESSURE, unit 4"): 1,
            }
        ),
    }
    codes = pl.read_parquet(out / "meds/metadata/codes.parquet")
    described = dict(codes.select("code", "description").iter_rows())
    assert described["MEDICATION//BNF//0601"] == "BNF section 06.01"
    assert described["TEST//HbA1c//HIGH"] == "HbA1c: high"
    manifest = read_json(out / "concepts/codes/manifest.json")
    assert set(manifest) == set(ALL) - {"diagnoses"}
    assert manifest["tests"]["tests"] == ["Cholesterol", "HbA1c"]


@pytest.mark.parametrize("database", ["gold", "aurum"])
def test_diagnoses_and_visits_do_not_depend_on_other_inputs(tmp_path: Path, database: str) -> None:
    more = run(tmp_path, database)
    only = run(tmp_path, database, ("diagnoses",))
    shards = [path.relative_to(only) for path in sorted(only.glob("meds/data/*.parquet"))]
    assert len(shards) == 2
    for path in shards:
        rows = pl.read_parquet(more / path)
        beyond = pl.col("code").str.contains(f"^({'|'.join(PREFIXES.values())})")
        usual = pl.read_parquet(only / path)
        assert usual.columns == ["subject_id", "time", "code", "numeric_value"]
        assert rows.filter(~beyond).drop("unit").equals(usual)
    assert not (only / "concepts").exists()
    tables = {path.name for path in (only / "extracted").iterdir()}
    names = {"therapy", "drugissue", "test", "additional", "hes_procedures_epi"}
    assert not names & tables
    known = GOLD if database == "gold" else AURUM
    coded = known.usual
    (part, *_) = sorted((only / "extracted" / coded).glob("*.parquet"))
    assert pl.read_parquet_schema(part).names() == ["patid", "eventdate", "medcode", "shard"]


def test_levels_of_medications_and_procedures_are_those_of_the_configuration(
    tmp_path: Path,
) -> None:
    out = run(
        tmp_path,
        "gold",
        ("diagnoses", "medications", "procedures"),
        medications={"level": "substance"},
        procedures={"level": 4},
    )
    assert {event[2] for event in events_of(out)} == {
        "MEDICATION//SUBSTANCE//metformin",
        "MEDICATION//SUBSTANCE//aspirin",
        "MEDICATION//SUBSTANCE//water",
        "PROCEDURE//OPCS4//K401",
        "PROCEDURE//OPCS4//K402",
    }


def test_look_ups_that_do_not_fit_the_delivery_are_refused(tmp_path: Path) -> None:
    delivery = write_gold(tmp_path / "delivery")
    (delivery / "lookups/product.txt").write_text(
        "prodcode\tdrugsubstance\tbnfcode\n1\tA\t06010202\n"
    )
    rows = [
        {"patid": ONE, "eventdate": "01/06/1998", "prodcode": 50 + number} for number in range(20)
    ]
    write_layout(LAYOUT, delivery / "gold/x_Extract_therapy_001.txt", "therapy", rows)
    write_lists(tmp_path / "lists")
    inputs = ("diagnoses", "medications")
    with pytest.raises(InputError, match="inputs, medications: none of their codes is known"):
        run_stages(
            delivery, tmp_path / "lists", tmp_path / "out", 1, {"minimum_visits": 1}, inputs=inputs
        )
    (delivery / "lookups/product.txt").unlink()
    with pytest.raises(InputError, match="which the input medications needs"):
        look_ups.find_look_ups(delivery, "gold", inputs, {})


def check_settings(folder: Path, database: str, **changes: Any) -> CheckSettings:
    write_lists(folder / "lists")
    lists = {
        name: folder / f"delivery/lookups/{name}.csv"
        for name in ("tests", "measurements")
        if database == "aurum"
    }
    settings = CheckSettings(
        diagnoses=None,
        rules=CohortRules(minimum_visits=1),
        options={},
        maximum_refused=0.0,
        shards=2,
        threshold=1,
        sample_bytes=10**6,
        lists=folder / "lists",
        database=DATABASES[database],
        inputs=ALL,
        observation_lists=lists,
    )
    return replace(settings, **changes)


@pytest.mark.parametrize("database", ["gold", "aurum"])
def test_the_check_of_a_delivery_shows_what_becomes_of_its_records(
    tmp_path: Path, database: str
) -> None:
    delivery = (write_gold if database == "gold" else write_aurum)(tmp_path / "delivery")
    report = check(delivery, check_settings(tmp_path, database), tmp_path / "work")
    assert report["errors"] == []
    lists = [] if database == "gold" else ["lookups/measurements.csv", "lookups/tests.csv"]
    assert report["not_recognised"]["first"] == lists
    assert report["concepts"]["medications"] == {
        "rows_read": 10,
        "shares": {"no code": 0.1, "no date": 0.1, "unmapped": 0.1, "mapped": 0.7},
    }
    assert report["concepts"]["procedures"]["shares"] == {"no code": 0.2, "mapped": 0.8}
    assert set(report["concepts"]) == {*ALL} - {"diagnoses"}
    assert "Medications: of 10 records read, no code 10.0%, no date" in as_text(report)


def test_the_check_lists_every_look_up_that_is_missing(tmp_path: Path) -> None:
    delivery = write_gold(tmp_path / "delivery")
    for name in ("product.txt", "TXTFILES/YND.txt"):
        (delivery / "lookups" / name).unlink()
    (delivery / "gold/x_Extract_test_001.txt").unlink()
    report = check(delivery, check_settings(tmp_path, "gold"), tmp_path / "work")
    errors = "\n".join(report["errors"])
    assert "no file product.txt, which the input medications needs" in errors
    assert "no file TXTFILES/YND.txt, which the input measurements needs" in errors
    assert "test: no file" in errors
    assert set(report["concepts"]) == {"procedures"}
