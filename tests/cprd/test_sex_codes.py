"""Diseases of one sex on the other's record, traced to their codes: by hand, and against a loop."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from behrt.caliber.sex_specific import SexSpecific
from behrt.cprd.sex_codes import COLUMNS, count_shards, read_names, tabulate

NAMES = ["Asthma", "Female infertility", "Male infertility", "Ovary"]
DISEASES = [
    SexSpecific(1, "Female infertility", "female"),
    SexSpecific(2, "Male infertility", "male"),
    SexSpecific(3, "Ovary", "female"),
]
MAPPING = pl.DataFrame(
    [
        ("medcode", "10", 1),
        ("medcode", "10", 2),  # says nothing of sex
        ("medcode", "11", 1),
        ("medcode", "12", 2),
        ("medcode", "13", 0),
        ("medcode", "13", 3),  # an odd one: asthma and the ovary
        ("icd10", "N971", 1),
    ],
    schema={"system": pl.String, "code": pl.String, "phenotype": pl.Int16},
    orient="row",
)
TERMS = pl.DataFrame(
    [
        ("medcode", "10", "K26y400", "Infertility in systemic disease"),
        ("medcode", "13", None, None),
        ("icd10", "N97", None, "Female infertility"),
    ],
    schema=dict.fromkeys(("system", "code", "read", "term"), pl.String),
    orient="row",
)
MEN, WOMEN = range(100, 110), range(200, 220)


def day(n: int) -> date:
    return date(2001, 1, n)


@pytest.fixture
def counts(tmp_path: Path) -> pl.DataFrame:
    people = [(patient, 1) for patient in MEN] + [(patient, 2) for patient in WOMEN] + [(300, 0)]
    pl.DataFrame(
        [(p, sex, day(2), day(30), p % 2) for p, sex in people],
        schema={
            "subject_id": pl.Int64,
            "sex": pl.Int8,
            "follow_up_start": pl.Date,
            "follow_up_end": pl.Date,
            "shard": pl.UInt16,
        },
        orient="row",
    ).write_parquet(tmp_path / "cohort.parquet")
    rows = [(p, day(5), 10) for p in [*MEN][:6]]  # six men by the code of no sex
    rows += [(p, day(6), 10) for p in [*MEN][:6]]  # each twice
    rows += [(100, day(7), 11)]  # one of them by a woman's code too
    rows += [(p, day(5), 10) for p in [*WOMEN][:8]] + [(p, day(5), 12) for p in [*WOMEN][:2]]
    rows += [(109, day(1), 11), (999, day(5), 11), (300, day(5), 10)]  # none of these counts
    rows += [(p, day(5), 13) for p in MEN]
    schema = {"patid": pl.Int64, "eventdate": pl.Date, "medcode": pl.Int64}
    clinical = pl.DataFrame(rows, schema=schema, orient="row")
    clinical.with_columns(shard=(pl.col("patid") % 2).cast(pl.UInt16)).write_parquet(
        tmp_path / "clinical.parquet"
    )
    hospital = pl.DataFrame(
        [(p, day(9), "N97.1") for p in [*MEN][6:8]],
        schema={"patid": pl.Int64, "admidate": pl.Date, "icd": pl.String},
        orient="row",
    )
    hospital.with_columns(shard=(pl.col("patid") % 2).cast(pl.UInt16)).write_parquet(
        tmp_path / "hospital.parquet"
    )
    return count_shards(
        tmp_path / "cohort.parquet",
        [tmp_path / "clinical.parquet"],
        [tmp_path / "hospital.parquet"],
        MAPPING,
        DISEASES,
        2,
    )


def test_codes_by_hand(counts: pl.DataFrame) -> None:
    table = tabulate(counts, MAPPING, TERMS, NAMES, DISEASES, threshold=0)
    assert tuple(table.columns) == COLUMNS
    shown = table.select(
        "disease",
        "code",
        "patients_own",
        "patients_other",
        "disease_other",
        "of_both_sexes",
        "also_listed_under",
    ).rows()
    assert shown == [
        ("Female infertility", "10", 8, 6, 8, True, "Male infertility"),
        ("Female infertility", "N971", 0, 2, 8, False, ""),
        ("Female infertility", "11", 0, 1, 8, False, ""),
        ("Male infertility", "10", 6, 8, 8, True, "Female infertility"),
        ("Male infertility", "12", 0, 2, 8, False, ""),
        ("Ovary", "13", 0, 10, 10, True, "Asthma"),
    ]
    assert table["read_code"][0] == "K26y400"
    assert table["term"].to_list()[:2] == ["Infertility in systemic disease", "Female infertility"]
    assert table["share_of_other"].to_list() == pytest.approx([0.75, 0.25, 0.125, 1, 0.25, 1])


def test_small_counts_are_hidden_and_none_follows_from_the_total(counts: pl.DataFrame) -> None:
    table = tabulate(counts, MAPPING, TERMS, NAMES, DISEASES, threshold=5)
    of_women = table.filter(disease="Female infertility")
    # 1 and 2 are small and together 3: the 6 must go too, or they would follow from the 8
    assert of_women["patients_other"].null_count() == 3
    assert of_women["share_of_other"].null_count() == 3
    assert of_women["disease_other"].to_list() == [8, 8, 8]
    assert table.filter(disease="Ovary")["patients_other"].to_list() == [10]


def test_nobody_of_the_other_sex_leaves_an_empty_table(counts: pl.DataFrame) -> None:
    none = counts.filter(pl.col("sex") == 0)
    table = tabulate(none, MAPPING, TERMS, NAMES, DISEASES, threshold=5)
    assert table.is_empty()
    assert tuple(table.columns) == COLUMNS


def test_names_come_in_their_order(tmp_path: Path) -> None:
    pl.DataFrame({"index": [1, 0], "phenotype": ["b", "a"]}).write_parquet(tmp_path / "p.parquet")
    assert read_names(tmp_path / "p.parquet") == ["a", "b"]
