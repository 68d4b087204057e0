"""Parents and ancestors of codes."""

import polars as pl

from behrt.ontology import with_ancestors


def ancestors(code: str) -> dict[str, list[str] | None]:
    codes = pl.DataFrame(
        {"code": [code], "description": ["given"], "parent_codes": [None]},
        schema_overrides={"parent_codes": pl.List(pl.String)},
    )
    found = with_ancestors(codes)
    assert found.schema == codes.schema
    assert found["code"].to_list() == sorted(found["code"])
    return dict(found.select("code", "parent_codes").iter_rows())


def test_every_hierarchy_is_listed_up_to_its_top() -> None:
    assert ancestors("ICD10//I219") == {
        "ICD10//I219": ["ICD10//I21"],
        "ICD10//I21": ["ICD10//I20-I25"],
        "ICD10//I20-I25": ["ICD10//IX"],
        "ICD10//IX": None,
    }
    assert ancestors("READ//C340.11") == {
        "READ//C340.11": ["READ//C340."],
        "READ//C340.": ["READ//C34.."],
        "READ//C34..": ["READ//C3..."],
        "READ//C3...": ["READ//C...."],
        "READ//C....": None,
    }
    assert ancestors("PROCEDURE//OPCS4//K401") == {
        "PROCEDURE//OPCS4//K401": ["PROCEDURE//OPCS4//K40"],
        "PROCEDURE//OPCS4//K40": ["PROCEDURE//OPCS4//K"],
        "PROCEDURE//OPCS4//K": None,
    }
    assert ancestors("MEDICATION//BNF//0601") == {
        "MEDICATION//BNF//0601": ["MEDICATION//BNF//06"],
        "MEDICATION//BNF//06": None,
    }


def test_codes_outside_a_hierarchy_have_no_parent_by_guess() -> None:
    for code in ("ICD10//nothing", "MEDCODE//7", "MEDICATION//SUBSTANCE//0601", "XICD10//I21"):
        assert ancestors(code) == {code: None}
    assert ancestors("ICD10//I21A")["ICD10//I21A"] == ["ICD10//I21"]


def test_a_code_keeps_its_other_parents_and_gets_the_title_of_icd_10() -> None:
    codes = pl.DataFrame(
        {
            "code": ["ICD10//I21", "CALIBER//Infarction"],
            "description": ["ICD10 I21", "Infarction"],
            "parent_codes": [["CALIBER//Infarction"], ["CHAPTER//Heart"]],
        }
    )
    found = {code: rest for code, *rest in with_ancestors(codes).iter_rows()}
    assert found["CALIBER//Infarction"] == ["Infarction", ["CHAPTER//Heart"]]
    assert found["ICD10//I21"] == [
        "Acute myocardial infarction",
        ["CALIBER//Infarction", "ICD10//I20-I25"],
    ]
    assert with_ancestors(with_ancestors(codes)).equals(with_ancestors(codes))
