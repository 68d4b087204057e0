"""What the check of a delivery says of a good one, and of one with each fault."""

import json
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import write_aurum_delivery

from behrt.cprd.check.report import check
from behrt.cprd.check.sampling import CheckSettings, Runs
from behrt.cprd.check.text import as_text
from behrt.cprd.databases import AURUM
from behrt.cprd.delivery import find_parts
from behrt.errors import InputError
from behrt.settings.delivery import CohortRules

Writer = Callable[..., Path]

TABLES = [
    "patient",
    "practice",
    "consultation",
    "clinical",
    "linkage_eligibility",
    "linkage_coverage",
    "hes_hospital",
    "hes_diagnosis_hosp",
    "death_patient",
]
PEOPLE = 240
PARTS = 2
# Of the people of the good delivery: every tenth is not acceptable, every seventh of the others
# has too few visits.
ACCEPTABLE = [number for number in range(PEOPLE) if number % 10]
COHORT = [number for number in ACCEPTABLE if number % 7]


def patid(number: int) -> int:
    return (number + 1) * 100000 + 20001 + number % 2


def days(number: int) -> list[str]:
    visits = 5 + number % 4 if number % 7 else 2
    return [f"{visit + 1:02d}/03/{1999 + visit % 3}" for visit in range(visits)]


def in_part(part: int) -> range:
    return range(part * PEOPLE // PARTS, (part + 1) * PEOPLE // PARTS)


def write_good(folder: Path, write: Writer) -> None:
    gold = folder / "gold"
    write(
        gold / "x_Extract_Practice_001.txt",
        "practice",
        [
            {"pracid": pracid, "region": 1, "uts": "01/01/1998", "lcd": "31/12/2005"}
            for pracid in (20001, 20002)
        ],
    )
    for part in range(PARTS):
        number = f"{part + 1:03d}"
        write(
            gold / f"x_Extract_Patient_{number}.zip",
            "patient",
            [
                {"patid": patid(n), "gender": 1 + n % 2, "yob": 1950, "crd": "01/01/1997"}
                | {"accept": int(n % 10 > 0)}
                for n in in_part(part)
            ],
        )
        write(
            gold / f"x_Extract_Consultation_{number}.zip",
            "consultation",
            [{"patid": patid(n), "eventdate": day} for n in in_part(part) for day in days(n)],
        )
        write(
            gold / f"x_Extract_Clinical_{number}.txt",
            "clinical",
            [
                {"patid": patid(n), "eventdate": day, "medcode": 1 + index % 2}
                for n in in_part(part)
                for index, day in enumerate(days(n))
            ],
        )
    people = range(PEOPLE)
    write(
        folder / "x_linkage_eligibility_gold.txt",
        "linkage_eligibility",
        [{"patid": patid(n), "hes_e": 1} for n in range(PEOPLE + 50)],
    )
    write(
        folder / "linkage_coverage.txt",
        "linkage_coverage",
        [{"data_source": "hes_apc", "start": "01/04/1997", "end": "31/03/2004"}],
    )
    admissions = [{"patid": patid(n), "admidate": days(n)[0]} for n in people if n % 3 == 0]
    write(folder / "hes_hospital_x.txt", "hes_hospital", admissions)
    write(
        folder / "hes_diagnosis_hosp_x.txt",
        "hes_diagnosis_hosp",
        [row | {"icd": "M10.0" if index % 4 else "-."} for index, row in enumerate(admissions)],
    )
    write(folder / "death_patient_x.txt", "death_patient", [{"patid": patid(6), "dod": ""}])


@pytest.fixture
def delivery(tmp_path: Path, delivered: Writer) -> Path:
    write_good(tmp_path / "delivery", delivered)
    return tmp_path / "delivery"


@pytest.fixture
def settings(tmp_path: Path) -> CheckSettings:
    lists = {
        "dictionary.csv": "phenotype,CPRD,ICD\nGout,CPRD_gout.csv,ICD_gout.csv\n",
        "phenotype_categories_mapping.csv": "Phenotype,Category\nGout,Joints\n",
        "primary_care/CPRD_gout.csv": "Disease,Readcode,Medcode\nGout,C34..00,2.0\n",
        "secondary_care/ICD_gout.csv": "Disease,ICD10code\nGout,M10\n",
    }
    for name, text in lists.items():
        path = tmp_path / "lists" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return CheckSettings(
        diagnoses=["clinical"],
        rules=CohortRules(),
        options={},
        maximum_refused=0.01,
        shards=2,
        threshold=5,
        sample_bytes=10**6,
        lists=tmp_path / "lists",
    )


@pytest.fixture
def look(settings: CheckSettings, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Check a delivery, with some settings changed; what a report must never hold is looked for."""

    def checked(folder: Path, **changes: Any) -> dict[str, Any]:
        work = tmp_path / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        report = check(folder, replace(settings, **changes), work)
        for text in (as_text(report), json.dumps(report)):
            assert not re.search(r"\d{2}/\d{2}/\d{4}|\d{4}-\d{2}-\d{2}", text)
            assert not {str(patid(n)) for n in range(PEOPLE)} & set(re.findall(r"\d+", text))
            assert str(folder) not in text
        return report

    return checked


Look = Callable[..., dict[str, Any]]


def test_a_good_delivery_is_ready_and_its_cohort_counted(delivery: Path, look: Look) -> None:
    report = look(delivery)
    assert report["ready"]
    assert report["errors"] == report["warnings"] == report["missing"] == []
    assert {source_table: entry["parts"] for source_table, entry in report["tables"].items()} == {
        source_table: PARTS if source_table in ("patient", "consultation", "clinical") else 1
        for source_table in TABLES
    }
    assert report["tables"]["patient"]["rows"] == PEOPLE
    assert report["tables"]["patient"]["rows_are"] == "counted"
    assert report["tables"]["clinical"]["formats"] == {"eventdate": {"DD/MM/YYYY": PARTS}}
    assert report["tables"]["patient"]["formats"]["yob"] == {"four digits": PARTS}
    steps = {step["step"]: step["patients"] for step in report["cohort"]["steps"]}
    assert steps["Delivered"] == PEOPLE
    assert steps["Acceptable record"] == len(ACCEPTABLE)
    assert report["cohort"]["counted"]
    assert report["cohort"]["expected"] == len(COHORT)
    assert f"Expected cohort: {len(COHORT)} patients" in as_text(report)
    rows = sum(len(days(n)) for n in range(PEOPLE))
    mapped = sum(len(days(n)) // 2 for n in range(PEOPLE))
    assert report["codes"]["medcode"]["rows_mapped"] == round(mapped / rows, 3)
    assert report["codes"]["icd10"]["rows_with_a_code"] == 0.75
    assert report["codes"]["icd10"]["rows_mapped"] == 1.0


def test_a_sample_tells_the_cohort_within_its_interval(delivery: Path, look: Look) -> None:
    report = look(delivery, sample_bytes=6000)
    found = report["cohort"]
    assert report["ready"]
    assert not found["counted"]
    assert report["tables"]["clinical"]["rows_are"] == "estimated"
    rows = sum(len(days(n)) for n in range(PEOPLE))
    assert report["tables"]["clinical"]["rows"] == pytest.approx(rows, rel=0.05)
    low, high = found["interval"]
    assert found["at_least"] < low <= found["expected"] <= high <= found["at_most"]
    assert low <= len(COHORT) <= high
    assert high - low < 60
    assert found["steps"][-1]["patients"] == len(ACCEPTABLE)


def test_a_sample_of_records_in_no_order_gives_bounds_alone(delivery: Path, look: Look) -> None:
    draw = random.Random(1)
    for path in delivery.rglob("*_Cl*.txt"):
        header, *lines = path.read_bytes().splitlines(keepends=True)
        draw.shuffle(lines)
        path.write_bytes(header + b"".join(lines))
    for path in delivery.rglob("*_Co*.zip"):
        with zipfile.ZipFile(path) as archive:
            (member,) = archive.namelist()
            header, *lines = archive.read(member).splitlines(keepends=True)
        draw.shuffle(lines)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, header + b"".join(lines))
    found = look(delivery, sample_bytes=6000)["cohort"]
    assert found["expected"] is None
    assert "are not contiguous" in found["why"]
    assert 0 < found["at_least"] <= len(COHORT) <= found["at_most"]


def test_the_disk_holds_a_score_for_each_disease(delivery: Path, look: Look) -> None:
    without = look(delivery)["needs"]["disk_bytes"]
    found = look(delivery, predictions=1000.0)
    scores = found["cohort"]["expected"] * 1000 * 4  # there is one disease
    assert found["needs"]["disk_bytes"] == pytest.approx(without + scores, rel=0.06)


def test_visits_with_a_diagnosis(delivery: Path, look: Look) -> None:
    report = look(delivery, rules=CohortRules(visits="diagnosis", minimum_visits=3))
    # every second clinical record is mapped: 3 of 6 or more visits
    mapped = [n for n in ACCEPTABLE if len(days(n)) // 2 >= 3]
    first = [n for n in ACCEPTABLE if n % 3 == 0 and len(days(n)) // 2 == 2]
    admissions = [n for n in range(PEOPLE) if n % 3 == 0]
    by_hospital = [n for n in first if admissions.index(n) % 4]
    assert report["cohort"]["expected"] == len(mapped) + len(by_hospital)


@pytest.mark.parametrize("source_table", TABLES)
def test_a_missing_table_is_an_error_with_its_meaning(
    delivery: Path, look: Look, source_table: str
) -> None:
    for part in find_parts(delivery):
        if part.source_table == source_table:
            part.path.unlink()
    report = look(delivery)
    assert not report["ready"]
    assert [entry["table"] for entry in report["missing"]] == [source_table]
    assert any(text.startswith(f"{source_table}: no file") for text in report["errors"])
    if source_table not in ("linkage_coverage", "hes_diagnosis_hosp"):
        assert report["cohort"]["expected"] is None


def test_a_gap_in_the_parts_and_their_patients_are_told(delivery: Path, look: Look) -> None:
    (delivery / "gold" / "x_Extract_Patient_001.zip").unlink()
    report = look(delivery)
    assert report["ready"]
    assert report["missing_parts"] == {"patient": ["001"]}
    shares = {entry["file"]: entry["share"] for entry in report["without_patient_row"]}
    assert shares["gold/x_Extract_Clinical_001.txt"] == 1.0
    assert "gold/x_Extract_Clinical_002.txt" not in shares
    assert "linkage_eligibility" not in {e["table"] for e in report["without_patient_row"]}
    text = as_text(report)
    assert "patient: no part 001" in text
    assert "clinical: 1 parts have patients without a Patient row, at worst 100.0%" in text


def test_a_few_patients_without_a_row_are_not_counted(
    delivery: Path, look: Look, delivered: Writer
) -> None:
    row = {"patid": 99920001, "eventdate": "01/01/2000"}
    delivered(delivery / "gold" / "x_Extract_Consultation_003.txt", "consultation", [row])
    report = look(delivery)
    (entry,) = report["without_patient_row"]
    assert entry["share"] is None
    assert "at worst a few of them" in as_text(report)
    assert "99920001" not in json.dumps(report)


@pytest.mark.parametrize("sample_bytes", [10**6, 3000])
def test_a_part_delivered_twice_is_told(delivery: Path, look: Look, sample_bytes: int) -> None:
    gold = delivery / "gold"
    shutil.copy(gold / "x_Extract_Clinical_001.txt", gold / "y_Extract_Clinical_003.txt")
    report = look(delivery, sample_bytes=sample_bytes)
    (group,) = report["duplicated"]
    assert group["files"] == ["gold/x_Extract_Clinical_001.txt", "gold/y_Extract_Clinical_003.txt"]
    assert group["compared"] == ("whole" if sample_bytes > 3000 else "length and start")
    assert any("the same file twice" in text for text in report["warnings"])


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace(b"medcode", b"code"), "no column medcode"),
        (lambda text: text.replace(b"\t", b","), "no TABs, but has commas"),
        (lambda text: text.replace(b"01/03/1999", b"1999-03-01"), "mixes the formats"),
        (lambda text: text.replace(b"01/03/1999", b"early"), "rows cannot be used"),
    ],
    ids=["header", "delimiter", "formats", "dates"],
)
def test_a_part_that_cannot_be_read_is_an_error(
    delivery: Path, look: Look, change: Callable[[bytes], bytes], problem: str
) -> None:
    edit(delivery / "gold" / "x_Extract_Clinical_001.txt", change)
    report = look(delivery)
    assert not report["ready"]
    (error,) = report["errors"]
    assert problem in error
    assert "x_Extract_Clinical_001.txt" in error
    assert report["tables"]["clinical"]["parts"] == 1


def test_every_damaged_file_is_named_at_once(delivery: Path, look: Look) -> None:
    gold = delivery / "gold"
    edit(gold / "x_Extract_Patient_001.zip", lambda raw: raw[: len(raw) // 2])
    shutil.copy(gold / "x_Extract_Clinical_001.txt", gold / "x_Extract_Clinical_001.TXT.zip")
    with zipfile.ZipFile(gold / "x_Extract_Consultation_001.zip") as archive:
        archive.extractall(gold)
    report = look(delivery)
    text = " ".join(report["errors"])
    assert len(report["errors"]) == 3
    assert "x_Extract_Clinical_001.TXT.zip: it bears the name of the source table clinical" in text
    assert "x_Extract_Patient_001.zip: it is damaged" in text
    assert "x_Extract_Consultation_001.zip: delivered twice" in text
    assert "without_patient_row" in report


def test_parts_that_differ_in_layout_or_format_are_told(delivery: Path, look: Look) -> None:
    path = delivery / "gold" / "x_Extract_Clinical_002.txt"
    edit(path, lambda text: re.sub(rb"(\d\d)/(\d\d)/(\d{4})", rb"\3-\2-\1", text))
    edit(path, lambda text: text.replace(b"constype", b"Mystery"))
    report = look(delivery)
    assert report["ready"]
    assert report["tables"]["clinical"]["unknown_columns"] == ["mystery"]
    assert [layout["parts"] for layout in report["tables"]["clinical"]["layouts"]] == [1, 1]
    text = " ".join(report["warnings"])
    assert "clinical: 2 different header lines" in text
    assert "the format of eventdate differs among parts (DD/MM/YYYY in 1, YYYY-MM-DD in 1)" in text


def test_an_empty_part_and_unknown_files_are_told(
    delivery: Path, look: Look, delivered: Writer
) -> None:
    delivered(delivery / "gold" / "x_Extract_Clinical_003.txt", "clinical", [])
    (delivery / "notes.docx").write_text("x")
    (delivery / "aurum_linked").mkdir()
    (delivery / "aurum_linked" / "hes_hospital_y.txt").write_text("x")
    report = look(delivery)
    assert "gold/x_Extract_Clinical_003.txt: no row" in report["warnings"]
    assert report["not_recognised"] == {"files": 1, "first": ["notes.docx"]}
    assert "1 files with a source table's name are not read" in report["warnings"][0]
    assert "aurum_linked/hes_hospital_y.txt" in report["warnings"][0]


def test_a_part_that_would_be_missed_is_an_error(delivery: Path, look: Look) -> None:
    gold = delivery / "gold"
    (gold / "x_Extract_Clinical_003.txt").symlink_to("nowhere")
    (gold / "x_Extract_Clinical_004.csv").write_text("x")
    with zipfile.ZipFile(delivery / "22_Results.zip", "w") as archive:
        archive.writestr("x_Extract_Clinical_005.zip", "PK")
    report = look(delivery)
    assert not report["ready"]
    names = [error.split(": ")[0] for error in report["errors"]]
    assert names == [
        "22_Results.zip, x_Extract_Clinical_005.zip",
        "gold/x_Extract_Clinical_003.txt",
        "gold/x_Extract_Clinical_004.csv",
    ]


def test_code_lists_that_are_not_there_or_do_not_fit(
    delivery: Path, look: Look, settings: CheckSettings
) -> None:
    report = look(delivery, lists=Path("nowhere"))
    assert "snakemake caliber" in report["errors"][0]
    assert report["codes"] == {}
    assert report["cohort"]["expected"] == len(COHORT)
    assert settings.lists is not None
    edit(settings.lists / "primary_care" / "CPRD_gout.csv", lambda text: text.replace(b"2.0", b"9"))
    report = look(delivery)
    assert "diagnoses, medcode: none of their codes is mapped to a disease" in report["errors"][0]
    assert not report["ready"]


def test_a_cohort_of_nobody_is_not_ready(delivery: Path, look: Look) -> None:
    edit(delivery / "x_linkage_eligibility_gold.txt", lambda text: text.replace(b"\t1\t", b"\t0\t"))
    for sample_bytes in (10**6, 6000):
        report = look(delivery, sample_bytes=sample_bytes)
        (error,) = report["errors"]
        assert "no patient is left after the step 'Eligible for linkage to HES'" in error
        assert not report["ready"]
        assert [step["patients"] for step in report["cohort"]["steps"]][3] == 0


def test_a_sample_without_a_member_of_the_cohort_is_not_ready(delivery: Path, look: Look) -> None:
    report = look(delivery, sample_bytes=6000, rules=CohortRules(minimum_visits=100))
    (error,) = report["errors"]
    assert "no patient of the sample passes the step 'At least 100 visits'" in error
    assert report["cohort"]["expected"] == 0


@pytest.mark.parametrize(
    ("without", "loss"),
    [
        (["death_patient"], "ONS deaths"),
        (["hes_hospital"], "admissions without a diagnosis"),
        (["hes_diagnosis_hosp"], "hospital diagnoses"),
        (["hes_hospital", "hes_diagnosis_hosp"], "hospital records"),
    ],
)
def test_a_delivery_without_a_source_table_is_ready_if_the_configuration_says_so(
    delivery: Path, look: Look, without: list[str], loss: str
) -> None:
    gone = [*without, *(["linkage_eligibility", "linkage_coverage"] if without[1:] else [])]
    for part in find_parts(delivery):
        if part.source_table in gone:
            part.path.unlink()
    report = look(delivery, without=without)
    assert report["errors"] == []
    assert report["cohort"]["steps"][0]["step"] == f"Delivered, without {loss}"
    assert report["cohort"]["expected"] == len(COHORT)


def test_stated_days_of_hes_need_no_linkage_coverage(delivery: Path, look: Look) -> None:
    (delivery / "linkage_coverage.txt").unlink()
    rules = CohortRules.model_validate({"hes_start": "1997-04-01", "hes_end": "2004-03-31"})
    report = look(delivery, rules=rules)
    assert report["ready"]
    assert report["cohort"]["expected"] == len(COHORT)


def test_a_patient_twice_or_a_practice_of_another_build_is_an_error(
    delivery: Path, look: Look
) -> None:
    path = delivery / "gold" / "x_Extract_Practice_001.txt"
    edit(path, lambda text: text.replace(b"20002", b"30444"))
    report = look(delivery)
    assert "practice_digits" in report["errors"][0]
    assert report["cohort"]["expected"] is None


def test_small_counts_are_hidden(delivery: Path, look: Look) -> None:
    report = look(delivery, threshold=1000)
    assert report["cohort"]["expected"] is None
    assert all(step["patients"] is None for step in report["cohort"]["steps"])
    assert report["tables"]["patient"]["rows"] is None


def test_no_folder(look: Look, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        look(tmp_path / "nowhere")


def test_runs_leave_out_who_is_cut_off_or_scattered() -> None:
    ids = np.array([7, 7, 8, 9, 9, 9, 5])
    runs = Runs.of(ids, whole=False)
    assert runs.patients.tolist() == [7, 8, 9]
    assert runs.rows.tolist() == [2, 1, 3]
    assert runs.grouped
    assert Runs.of(ids, whole=True).patients.tolist() == [7, 8, 9, 5]
    scattered = Runs.of(np.array([7, 8, 7, 8, 9]), whole=True)
    assert scattered.patients.tolist() == [9]
    assert not scattered.grouped


def test_a_delivery_of_aurum_is_looked_at(tmp_path: Path, look: Look) -> None:
    made = write_aurum_delivery(tmp_path / "aurum")
    merged = tmp_path / "merged.txt"
    merged.write_text("20002\n")
    report = look(made.folder, database=AURUM, diagnoses=None, merged=merged)
    assert report["ready"]
    assert report["warnings"] == []
    assert report["tables"]["observation"]["formats"] == {"obsdate": {"DD/MM/YYYY": 1}}
    assert report["codes"]["medcode"]["rows_mapped"] == 1.0
    assert report["cohort"]["expected"] == 12
    assert "Practice not merged into another" in as_text(report)

    report = look(made.folder, database=AURUM, diagnoses=["problem"])
    assert report["codes"]["medcode"]["rows_read"] == 5
    assert "no list of merged practices" in report["warnings"][0]

    made.path("dictionary").unlink()
    report = look(made.folder, database=AURUM, diagnoses=None, merged=merged)
    assert not report["ready"]
    assert report["codes"] == {}
    assert "no code of general practice can be mapped" in report["errors"][0]
