"""Forms of ICD-10 codes, and the children of three-character codes."""

import string

import polars as pl
import pytest

from behrt.caliber.icd import at_level_4, with_children


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("I21.9", "I219"),
        ("i219", "I219"),
        (" I21.9 ", "I219"),
        ("I10", "I10"),
        ("I10X", "I10"),
        ("N23.X", "N23"),
        ("M54.50", "M545"),
        ("G59.0D", "G590"),
        ("I60.A", "I60A"),
        ("-.", None),
        ("", None),
        ("I1", None),
        ("121", None),
        (None, None),
        ("I10-", "I10"),
        ("I10.-", "I10"),
        ("I10.9!", "I109"),
        ("M10*", "M10"),
        ("E11.9+", "E119"),
        ("S72.001A", "S720"),
        ("ICD10:I10", "I10"),
        ("icd-10-cm/i21.9", "I219"),
        ("I10 Essential hypertension", "I10"),
        ("K35.8 (acute)", "K358"),
        ("E53.8 Vitamin B12 deficiency", "E538"),
        ("M10 M10.0", None),
        ("A00,B01", None),
        ("I10-I15", None),
        ("G63.2*E14.4†", None),
        ("M 10", None),
        ("M10 1", None),
        ("G20..", None),
        ("I219HELLO", None),
    ],
)
def test_a_code_comes_to_level_4(written: str | None, code: str | None) -> None:
    frame = pl.DataFrame({"code": [written]}, schema={"code": pl.String})
    assert frame.select(at_level_4(pl.col("code"))).item() == code


def test_a_code_of_three_characters_includes_its_children() -> None:
    listed = pl.DataFrame({"code": ["I10", "I219"], "phenotype": [0, 1]})
    found = with_children(listed)
    assert found.filter(phenotype=1)["code"].to_list() == ["I219"]
    children = [f"I10{fourth}" for fourth in string.digits + string.ascii_uppercase]
    assert found.filter(phenotype=0)["code"].to_list() == ["I10", *children]
