"""Which system a code belongs to, and the forms in which sites write it."""

import polars as pl
import pytest

from behrt.sources.codes import SEVERAL, SYSTEMS, Prefix, recognise

from .conftest import DEFAULT_SYSTEMS

BARE = [Prefix("", "icd10"), Prefix("", "icd9cm")]
OMOP = [Prefix(item["prefix"], item["system"]) for item in DEFAULT_SYSTEMS["omop"]]


def systems(codes: list[str], prefixes: list[Prefix], ambiguous: str | None = None) -> list[object]:
    rows = recognise(pl.DataFrame({"code": codes}), prefixes, ambiguous)
    assert rows["code"].to_list() == codes
    return rows.select("system", "bare").rows()


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("I10-", "I10"),
        ("I10.-", "I10"),
        ("I10.9!", "I109"),
        ("M10*", "M10"),
        ("E10.30+", "E103"),
        ("M45X9", "M45"),
        ("I10.90 G", "I109"),
        ("M17.1 GR", "M171"),
        ("I10|Essential hypertension", "I10"),
        ("I10-Essential hypertension", "I10"),
        ("S72.001A", "S720"),
        ("F32A", "F32A"),
        ("I10.90 A", None),
        ("I10.90A", None),
        ("I10.9V", None),
        ("I10 Z.n. Hypertonie", None),
        ("I10 excluded", None),
        ("I10, E11", None),
        ("I10-I15", None),
        ("C10F.", None),
        ("C10F.00-Type 2 diabetes", None),
        ("161527007-H/O: asthma", None),
    ],
)
def test_icd_10_is_read_in_the_forms_that_are_certain(code: str, bare: str | None) -> None:
    rows = pl.DataFrame({"code": [code]}).select(SYSTEMS["icd10"](pl.col("code")))
    assert rows.item() == bare


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("250.00", "25000"),
        ("E849.0", "E8490"),
        ("V45.81", "V4581"),
        ("401.9 Hypertension", "4019"),
        ("E84.90", None),
        ("E119", None),
        ("E11.65", None),
        ("4019.0", None),
    ],
)
def test_icd_9_is_read_by_its_own_places_of_the_dot(code: str, bare: str | None) -> None:
    rows = pl.DataFrame({"code": [code]}).select(SYSTEMS["icd9cm"](pl.col("code")))
    assert rows.item() == bare


def test_a_prefix_names_the_system_of_a_code_that_fits_others() -> None:
    codes = ["ICD10:E84.9", "ICD-9-CM E8490", "Read:G20..", "SNOMED CT 73211009", "?", "CALIBER//"]
    assert systems(codes, OMOP) == [
        ("icd10", "E849"),
        ("icd9cm", "E8490"),
        ("read", "G20.."),
        ("snomed", "73211009"),
        (None, None),
        (None, None),
    ]


@pytest.mark.parametrize("prefixes", [BARE, BARE[::-1]], ids=["ICD-10 first", "ICD-9 first"])
def test_a_code_that_fits_two_systems_of_the_data_has_none(prefixes: list[Prefix]) -> None:
    codes = ["I10", "4019", "E119", "E8490", "V4581"]
    unclear = [(SEVERAL, None)] * 2
    assert systems(codes, prefixes) == [
        ("icd10", "I10"),
        ("icd9cm", "4019"),
        ("icd10", "E119"),
        *unclear,
    ]
    assert systems(codes, prefixes, "icd9cm")[3:] == [("icd9cm", "E8490"), ("icd9cm", "V4581")]


@pytest.mark.parametrize(
    ("other", "system"), [("I10", "icd10"), ("4019", "icd9cm"), ("?", SEVERAL)], ids=str
)
def test_other_codes_of_the_data_show_the_system(other: str, system: str) -> None:
    assert systems([other, "E8490"], BARE)[1][0] == system


def test_read_codes_are_not_taken_for_icd_10() -> None:
    codes = ["G20..00", "G573000", "G5730", "I10"]
    assert systems(codes, BARE) == [(None, None), *[(SEVERAL, None)] * 3]
    assert systems(codes, [Prefix("", "read")])[:2] == [("read", "G20..00"), ("read", "G573000")]
    assert systems(codes[1:], BARE)[0] == ("icd10", "G573")


def test_the_vocabulary_of_a_concept_decides_alone() -> None:
    rows = pl.DataFrame(
        [("E8490", "icd9cm", "E849.0"), ("I10", "", "I10"), ("x", "snomed", "73211009")],
        schema=["code", "vocabulary", "concept_code"],
        orient="row",
    )
    found = recognise(rows, BARE).select("system", "bare").rows()
    assert found == [("icd9cm", "E8490"), (None, None), ("snomed", "73211009")]
