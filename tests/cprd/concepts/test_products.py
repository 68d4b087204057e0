"""Products, with the BNF in every way in which the dictionaries write it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.cprd.concepts.look_ups import LookUpFile
from behrt.cprd.concepts.products import read_bnf, read_products
from behrt.errors import InputError

GOLD = "prodcode\tdmdcode\tgemscriptcode\tproductname\tdrugsubstance\tstrength\tformulation\troute"
GOLD += "\tbnfcode\tbnfchapter"
AURUM = "ProdCodeId\tdmdid\tTerm from EMIS\tProductName\tFormulation\tRouteOfAdministration"
AURUM += "\tDrugSubstanceName\tSubstanceStrength\tBNFChapter\tRelease"


def dictionary(folder: Path, header: str, *rows: dict[str, str]) -> LookUpFile:
    columns = header.split("\t")
    lines = [header, *("\t".join(row.get(name, "") for name in columns) for row in rows)]
    path = folder / "product.txt"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("cp1252"))
    return LookUpFile(path, None, "product")


@pytest.mark.parametrize(
    ("text", "codes", "form"),
    [
        ("02050501", ["02050501"], "eight digits"),
        ("2050501", ["02050501"], "seven digits"),
        ("11060000", ["11060000"], "eight digits"),
        ("2.5.5.1", ["02050501"], "dotted"),
        ("02.05.05.01", ["02050501"], "dotted"),
        ("6.1.", ["06010000"], "dotted"),
        ("02050501/06010201", ["02050501", "06010201"], "several"),
        ("2050501/ 2060200", ["02050501", "02060200"], "several"),
        ("02050501/02050501", ["02050501"], "several"),
        ("02050501/00000000", ["02050501"], "eight digits"),
        ("02050501/abc", ["02050501"], "several"),
        ("00000000", [], "none"),
        ("0", [], "none"),
        ("", [], "none"),
        (None, [], "none"),
        ("Beta-adrenoceptor blocking drugs", [], "not read"),
        ("99010000", [], "not read"),
        ("24010000", [], "not read"),
        ("205", [], "not read"),
        ("123456789", [], "not read"),
    ],
)
def test_the_bnf_is_read_in_every_spelling(text: str | None, codes: list[str], form: str) -> None:
    written = read_bnf(text)
    assert (list(written.codes), written.form) == (codes, form)


@given(st.tuples(st.integers(1, 23), *[st.integers(0, 99)] * 3))
def test_all_spellings_of_a_code_are_the_same_code(numbers: tuple[int, ...]) -> None:
    code = "".join(f"{number:02d}" for number in numbers)
    dotted = ".".join(map(str, numbers))
    spellings = [code, dotted, *([code[1:]] if code.startswith("0") else [])]
    assert {read_bnf(spelling).codes for spelling in spellings} == {(code,)}


ROWS = (
    {"prodcode": "1", "drugsubstance": "Metformin Hydrochloride", "bnfcode": "06010202"},
    {"prodcode": "2", "drugsubstance": "Aspirin", "bnfcode": "02090000/04070100"},
    {"prodcode": "3", "drugsubstance": "Losartan/  Hydro", "bnfcode": "2.5.5.2"},
    {"prodcode": "4", "drugsubstance": "", "bnfcode": "00000000", "bnfchapter": "Unknown"},
    {"prodcode": "5", "drugsubstance": "M\xe9n", "bnfcode": "02000000"},
    {"prodcode": "6", "drugsubstance": "X", "bnfcode": "00000000", "bnfchapter": "3010100"},
    {"prodcode": "2", "drugsubstance": "Aspirin", "bnfcode": "04070100"},
    {"prodcode": "0", "drugsubstance": "None", "bnfcode": "06010202"},
    {"prodcode": "", "drugsubstance": "None", "bnfcode": "06010202"},
)


def test_products_have_chapters_sections_or_substances(tmp_path: Path) -> None:
    file = dictionary(tmp_path, GOLD, *ROWS)
    sections, manifest = read_products(file, "section")
    assert sections.rows() == [
        (1, ["MEDICATION//BNF//0601"]),
        (2, ["MEDICATION//BNF//0209", "MEDICATION//BNF//0407"]),
        (3, ["MEDICATION//BNF//0205"]),
        (6, ["MEDICATION//BNF//0301"]),
    ]
    assert manifest == {
        "products": 6,
        "products_with_a_code": 4,
        "bnf_is_written_as": {
            "dotted": 1,
            "eight digits": 3,
            "none": 1,
            "seven digits": 1,
            "several": 1,
        },
        "rows_without_a_product_code": 2,
        "codes": 5,
    }
    chapters, _ = read_products(file, "chapter")
    assert dict(chapters.rows()) == {
        1: ["MEDICATION//BNF//06"],
        2: ["MEDICATION//BNF//02", "MEDICATION//BNF//04"],
        3: ["MEDICATION//BNF//02"],
        5: ["MEDICATION//BNF//02"],
        6: ["MEDICATION//BNF//03"],
    }
    substances, _ = read_products(file, "substance")
    prefix = "MEDICATION//SUBSTANCE//"
    assert dict(substances.rows()) == {
        1: [f"{prefix}metformin hydrochloride"],
        2: [f"{prefix}aspirin"],
        3: [f"{prefix}losartan", f"{prefix}hydro"],
        5: [f"{prefix}m\xe9n"],
        6: [f"{prefix}x"],
    }


def test_the_dictionary_of_aurum_has_long_codes_and_lost_zeros(tmp_path: Path) -> None:
    file = dictionary(
        tmp_path,
        AURUM,
        {
            "ProdCodeId": "999999999999999999",
            "DrugSubstanceName": "Bisoprolol fumarate",
            "BNFChapter": "2040000",
        },
        {"ProdCodeId": "2", "BNFChapter": "2050501/ 4070100"},
    )
    sections, _ = read_products(file, "section")
    assert sections.rows() == [
        (2, ["MEDICATION//BNF//0205", "MEDICATION//BNF//0407"]),
        (999999999999999999, ["MEDICATION//BNF//0204"]),
    ]
    assert read_products(file, "substance")[0].height == 1


@pytest.mark.parametrize(
    ("header", "rows", "level", "problem"),
    [
        (
            "prodcode\tproductname\tdrugsubstance",
            [{"prodcode": "1", "drugsubstance": "A"}],
            "section",
            r"product\.txt: none of its 1 products has a BNF code with a section\. .* set "
            r"`concepts\.medications\.level` to substance",
        ),
        (
            "prodcode\tproductname\tbnfcode",
            [{"prodcode": "1", "bnfcode": "06010202"}],
            "substance",
            r"product\.txt: no column drugsubstance or drugsubstancename",
        ),
        ("code\tbnfcode", [], "section", r"no column prodcode or prodcodeid"),
        (GOLD, [], "substance", r"none of its 0 products has a substance"),
    ],
)
def test_a_dictionary_without_what_is_needed_is_refused(
    tmp_path: Path, header: str, rows: list[dict[str, str]], level: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_products(dictionary(tmp_path, header, *rows), level)  # type: ignore[arg-type]
