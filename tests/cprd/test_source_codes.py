"""Records of CPRD in public coding systems: Read codes, SNOMED CT, OPCS-4 and products."""

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stages import write_lists

from behrt.cprd.concepts.look_ups import LookUpFile, find_medical
from behrt.cprd.source_codes import (
    describe_source_codes,
    make_source_events,
    name_source_codes,
)
from behrt.errors import InputError


def test_a_record_of_aurum_is_given_as_a_concept_of_snomed_ct_or_else_as_a_read_code(
    tmp_path: Path,
) -> None:
    write_lists(tmp_path / "lists")
    (tmp_path / "lists/primary_care/a.csv").write_text("Readcode,Readterm\nC34..00,Gout\n")
    pl.DataFrame(
        {
            "medcode": [11, 12, 13, 14],
            "readcode": ["C34..00", "C34", None, None],
            "originalreadcode": [None, None, "C340.00", "EMISNQAD12"],
            "snomed": [90560007, None, None, None],
        }
    ).write_parquet(tmp_path / "dictionary.parquet")
    named = name_source_codes(tmp_path / "lists", [tmp_path / "dictionary.parquet"])
    assert named.filter(system="medcode").select("code", "event", "term").rows() == [
        ("11", "SNOMED//90560007", "Gout"),
        ("12", "READ//C34..", None),
        ("13", "READ//C340.00", None),
        ("14", "MEDCODE//14", None),
    ]


MEDICAL = """medcode\treadcode\tdesc
7\tC34..00\tGout of medical.txt
55\tH33..00\tAsthma
56\t1476\tmangled by a spreadsheet
57\tbitten\tno code
"""


def look_up(path: Path, text: str, name: str = "medical") -> LookUpFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return LookUpFile(path, name=name)


def test_medical_txt_gives_every_medcode_its_read_code(tmp_path: Path) -> None:
    write_lists(tmp_path / "lists")
    file = look_up(tmp_path / "delivery" / "medical.txt", MEDICAL)
    named = name_source_codes(tmp_path / "lists", medical=file).filter(system="medcode")
    assert named.select("code", "event", "term").rows() == [
        ("55", "READ//H33..00", "Asthma"),
        ("56", "MEDCODE//56", "mangled by a spreadsheet"),
        ("57", "MEDCODE//57", "no code"),
        ("7", "READ//C34..00", "Gout of medical.txt"),
        ("8", "READ//C340.00", None),
    ]
    assert find_medical(tmp_path / "lists", {}) is None
    assert find_medical(tmp_path / "delivery", {}) == file
    assert find_medical(tmp_path / "lists", {"medical": str(file.path)}) == file
    look_up(tmp_path / "delivery" / "other" / "medical.txt", MEDICAL)
    with pytest.raises(InputError, match=r"2 files medical\.txt"):
        find_medical(tmp_path / "delivery", {})


@pytest.mark.parametrize(
    ("level", "parents"),
    [
        (3, {"OPCS4//W371": ["PROCEDURE//OPCS4//W37"], "OPCS4//C75": ["PROCEDURE//OPCS4//C75"]}),
        (4, {"OPCS4//W371": ["PROCEDURE//OPCS4//W371"], "OPCS4//C75": ["PROCEDURE//OPCS4//C75"]}),
        (
            "caliber",
            {"OPCS4//W371": ["PROCEDURE//CALIBER//Hip", "PROCEDURE//CALIBER//Joint"]},
        ),
    ],
)
def test_products_and_procedures_are_given_on_the_days_of_follow_up(
    level: Any, parents: dict[str, list[str]], tmp_path: Path
) -> None:
    inside, outside = datetime.date(2000, 1, 1), datetime.date(1999, 12, 31)
    write_lists(tmp_path / "lists")
    for name, frame in {
        "cohort": {"subject_id": [1], "follow_up_start": [inside], "follow_up_end": [inside]},
        "clinical": {"patid": [3], "eventdate": [inside], "medcode": [7]},
        "therapy": {
            "patid": [1, 1, 1, 1, 2],
            "eventdate": [inside, inside, outside, inside, inside],
            "prodcode": [5, 6, 5, 0, 5],
        },
        "procedures": {
            "patid": [1, 1, 1],
            "evdate": [inside, None, inside],
            "epistart": [outside, inside, inside],
            "admidate": [outside, outside, inside],
            "opcs": ["W371", "C75", "-"],
        },
        "codes": {"prodcode": [5], "events": [["MEDICATION//BNF//0601"]]},
        "listed": {
            "opcs": ["W37", "W371"],
            "events": [["PROCEDURE//CALIBER//Joint"], ["PROCEDURE//CALIBER//Hip"]],
        },
        "phenotypes": {"index": [0], "code": ["CALIBER//Gout"]},
        "medcodes": {"medcode": [7], "phenotype": [0]},
        "icd": {"icd": ["M10"], "phenotype": [0]},
    }.items():
        small = {"phenotype": pl.Int16, "index": pl.Int16}
        pl.DataFrame(frame).with_columns(pl.lit(0, pl.UInt16).alias("shard")).cast(
            {name: kind for name, kind in small.items() if name in frame}
        ).write_parquet(tmp_path / name)
    products = look_up(
        tmp_path / "product.txt", "prodcode\tproductname\n5\tMetformin 500 mg\n", "product"
    )
    named = name_source_codes(tmp_path / "lists", products=products)
    events = make_source_events(
        tmp_path / "cohort",
        [tmp_path / "clinical"],
        [],
        named,
        0,
        prescriptions=[tmp_path / "therapy"],
        procedures=[tmp_path / "procedures"],
    )
    assert events["code"].to_list() == ["OPCS4//C75", "OPCS4//W371", "PRODUCT//5", "PRODUCT//6"]
    assert events["time"].dt.date().unique().to_list() == [inside]
    described = describe_source_codes(
        events["code"],
        named,
        *(tmp_path / name for name in ("medcodes", "icd", "phenotypes", "codes", "listed")),
        level,
    )
    rows = {code: rest for code, *rest in described.iter_rows()}
    assert rows["PRODUCT//5"] == ["Metformin 500 mg", ["MEDICATION//BNF//0601"]]
    assert rows["PRODUCT//6"] == ["PRODUCT 6", None]
    found = {code: above for code, (_, above) in rows.items() if code.startswith("OPCS4") and above}
    assert found == parents
