from pathlib import Path

import polars as pl
import pytest

from behrt.caliber.snomed import read_snomed
from behrt.errors import InputError

PHENOTYPES = pl.DataFrame(
    {"index": [0, 1], "phenotype": ["Gout", "Liver"]}, schema_overrides={"index": pl.Int16}
)


def test_concepts_are_read_to_the_last_digit_and_what_is_none_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "snomed.csv"
    path.write_text(
        "\ufeffTerm, Phenotype ,SnomedCTConceptId\r\n"
        "a,Gout,700000000000000001\r\n"
        "b, Gout, 700000000000000002 \r\n"
        "b again,Gout,700000000000000002\r\n"
        "c,Liver,700000000000000002\r\n"
        "rounded,Gout,7.0E+17\r\n"
        "decimal,Gout,90560007.0\r\n"
        "short,Gout,12345\r\n"
        "nothing,Liver,\r\n"
    )
    pairs, manifest = read_snomed(path, PHENOTYPES)
    assert pairs.rows() == [
        (700000000000000001, 0),
        (700000000000000002, 0),
        (700000000000000002, 1),
    ]
    assert manifest == {
        "rows_read": 8,
        "rows_refused": {"blank concept": 1, "not a SNOMED CT concept": 3},
        "pairs": 3,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("phenotype,concept\nGout,90560007\n", "no column 'snomedctconceptid'"),
        ("phenotype,snomedctconceptid\nGoat,90560007\n", "such as 'Goat'"),
        ("phenotype,snomedctconceptid\nGout,x\n", "none of the concepts of 'Gout'"),
        ("", "cannot be read as CSV"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "snomed.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_snomed(path, PHENOTYPES)
