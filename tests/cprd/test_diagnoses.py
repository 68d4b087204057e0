import datetime
from pathlib import Path

import polars as pl

from behrt.cprd.diagnoses import read_mapping, scan_diagnoses


def test_three_characters_cover_their_children_and_four_only_themselves(tmp_path: Path) -> None:
    pl.DataFrame(
        {"medcode": [7, 7], "phenotype": [0, 1]},
        schema={"medcode": pl.Int64, "phenotype": pl.Int16},
    ).write_parquet(tmp_path / "medcodes.parquet")
    pl.DataFrame(
        {"icd": ["K70", "K701", "I10", "I219"], "phenotype": [0, 1, 2, 2]},
        schema={"icd": pl.String, "phenotype": pl.Int16},
    ).write_parquet(tmp_path / "icd.parquet")
    mapping = read_mapping(tmp_path / "medcodes.parquet", tmp_path / "icd.parquet")
    assert not mapping.is_duplicated().any()

    def phenotypes(system: str, code: str) -> list[int]:
        return mapping.filter(system=system, code=code)["phenotype"].sort().to_list()

    assert phenotypes("medcode", "7") == [0, 1]
    assert phenotypes("icd10", "K70") == [0]
    assert phenotypes("icd10", "K709") == [0]
    assert phenotypes("icd10", "K70A") == [0]
    assert phenotypes("icd10", "K701") == [0, 1]
    assert phenotypes("icd10", "I10") == [2]
    assert phenotypes("icd10", "I219") == [2]
    assert phenotypes("icd10", "I21") == []
    assert phenotypes("icd10", "7") == []


def test_missing_codes_are_null_and_unreadable_ones_are_not_hidden(tmp_path: Path) -> None:
    date = datetime.date(2000, 1, 1)
    pl.DataFrame(
        {"patid": [1, 1, 1], "eventdate": [date, None, date], "medcode": [0, 7, None]}
    ).with_columns(shard=pl.lit(0, dtype=pl.UInt16)).write_parquet(tmp_path / "gp.parquet")
    icd = ["-.", "-", None, "i10.X", "1O.9"]
    pl.DataFrame({"patid": [1] * 5, "admidate": [date] * 5, "icd": icd}).with_columns(
        shard=pl.lit(0, dtype=pl.UInt16)
    ).write_parquet(tmp_path / "hospital.parquet")
    rows = scan_diagnoses([tmp_path / "gp.parquet"], [tmp_path / "hospital.parquet"], 0).collect()
    assert rows.rows() == [
        (1, date, "medcode", None),
        (1, None, "medcode", "7"),
        (1, date, "medcode", None),
        (1, date, "icd10", None),
        (1, date, "icd10", None),
        (1, date, "icd10", None),
        (1, date, "icd10", "I10"),
        (1, date, "icd10", "1O.9"),
    ]
