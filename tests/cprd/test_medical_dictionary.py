import polars as pl
import pytest

from behrt.cprd.medical_dictionary import describe_medcodes, map_medcodes
from behrt.errors import InputError

CODE = 9 * 10**17
CONCEPT = 7 * 10**17
WORDS = [
    (CODE + 1, "C34..00", "C34", CONCEPT + 1),
    (CODE + 2, "C34..11", "C34-1", CONCEPT + 1),
    (CODE + 3, None, "C34", CONCEPT + 2),
    (CODE + 4, "c34..00", "c34", CONCEPT + 3),
    (CODE + 5, None, "EMISNQGO1", CONCEPT + 4),
    (CODE + 6, "J61..00", "J61", None),
]
LISTED = pl.DataFrame(
    {"read": ["C34..00", "J61..00"], "phenotype": [0, 1]}, schema_overrides={"phenotype": pl.Int16}
)


def dictionary() -> pl.DataFrame:
    schema = {
        "medcode": pl.Int64,
        "readcode": pl.String,
        "originalreadcode": pl.String,
        "snomed": pl.Int64,
    }
    return pl.DataFrame(WORDS, schema=schema, orient="row")


def test_a_code_of_seven_characters_is_listed_as_it_is_and_one_of_five_means_any_term() -> None:
    # a release that another repeats
    pairs, manifest = map_medcodes(pl.concat([dictionary(), dictionary()]), LISTED)
    assert pairs.rows() == [(CODE + 1, 0), (CODE + 3, 0), (CODE + 6, 1)]
    assert manifest == {
        "codes": 6,
        "with_a_read_code": 5,
        "with_a_snomed_concept": 5,
        "pairs_by_read_code": 3,
        "pairs_by_medcodeid": 0,
        "pairs_by_snomed_concept": 0,
        "medcodeids_not_in_the_dictionary": 0,
        "phenotypes_without_a_code": [],
    }


def test_a_list_of_concepts_takes_the_place_of_read_codes_for_its_phenotype_alone() -> None:
    snomed = pl.DataFrame(
        {"snomed": [CONCEPT + 1, CONCEPT + 4, CONCEPT + 9], "phenotype": [0, 0, 2]},
        schema_overrides={"phenotype": pl.Int16},
    )
    pairs, manifest = map_medcodes(dictionary(), LISTED, snomed)
    assert pairs.rows() == [(CODE + 1, 0), (CODE + 2, 0), (CODE + 5, 0), (CODE + 6, 1)]
    assert (manifest["pairs_by_read_code"], manifest["pairs_by_snomed_concept"]) == (1, 3)
    assert manifest["phenotypes_without_a_code"] == [2]


def test_listed_medcodeids_count_if_the_dictionary_has_them() -> None:
    medcodeids = pl.DataFrame(
        {"medcodeid": [CODE + 5, CODE + 6, 7, 8], "phenotype": [2, 0, 2, 3]},
        schema_overrides={"phenotype": pl.Int16},
    )
    pairs, manifest = map_medcodes(dictionary(), LISTED, None, medcodeids)
    assert pairs.rows() == [
        (CODE + 1, 0),
        (CODE + 3, 0),
        (CODE + 5, 2),
        (CODE + 6, 0),
        (CODE + 6, 1),
    ]
    assert manifest["pairs_by_medcodeid"] == 2
    assert manifest["medcodeids_not_in_the_dictionary"] == 2
    assert manifest["phenotypes_without_a_code"] == [3]


def test_lists_without_a_code_of_the_dictionary_are_refused() -> None:
    listed = LISTED.with_columns(read=pl.lit("H33..00"))
    with pytest.raises(InputError, match="none of the codes of the code lists is in it"):
        map_medcodes(dictionary(), listed)


def test_a_code_has_the_term_of_its_read_code_and_never_that_of_a_medcode() -> None:
    terms = pl.DataFrame(
        {
            "system": ["medcode", "medcode", "medcode", "icd10"],
            "code": ["900", str(CODE + 6), str(CODE + 5), "M10"],
            "read": ["C34..00", "H33..00", None, None],
            "term": ["Gout", "of GOLD", "by medcodeid", "Gout, ICD"],
        }
    )
    words = describe_medcodes(dictionary(), terms)
    assert words.columns == terms.columns
    assert words.rows() == [
        ("medcode", str(CODE + 1), "C34..00", "Gout"),
        ("medcode", str(CODE + 2), "C34..11", None),
        ("medcode", str(CODE + 3), None, None),
        ("medcode", str(CODE + 4), "c34..00", None),
        ("medcode", str(CODE + 5), None, "by medcodeid"),
        ("medcode", str(CODE + 6), "J61..00", None),
        ("icd10", "M10", None, "Gout, ICD"),
    ]
