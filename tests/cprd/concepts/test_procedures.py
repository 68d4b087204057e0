import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from behrt.caliber.lists import read_lists, read_opcs
from behrt.cprd.concepts.procedures import read_listed, scan_procedures
from behrt.errors import InputError

EVENT, EPISODE, ADMISSION = (datetime.date(2001, 5, day) for day in (3, 2, 1))


def scan(folder: Path, rows: list[tuple[Any, ...]], **arguments: Any) -> pl.DataFrame:
    """Scan rows of (opcs, evdate, epistart, admidate), one per patient."""
    frame = pl.DataFrame(
        [(number, *row) for number, row in enumerate(rows)],
        schema={
            "patid": pl.Int64,
            "opcs": pl.String,
            **dict.fromkeys(("evdate", "epistart", "admidate"), pl.Date),
        },
        orient="row",
    )
    frame.with_columns(shard=pl.lit(0, pl.UInt16)).write_parquet(folder / "rows")
    found = scan_procedures([folder / "rows"], 0, **arguments).collect()
    return found.sort("subject_id")


def test_the_day_is_of_the_procedure_else_of_the_episode_else_of_admission(tmp_path: Path) -> None:
    rows = [
        ("K40.1", EVENT, EPISODE, ADMISSION),
        ("K40.1", None, EPISODE, ADMISSION),
        ("K40.1", None, None, ADMISSION),
        ("K40.1", None, None, None),
        ("K40.1", ADMISSION, EPISODE, ADMISSION),
        ("K40.1", ADMISSION - datetime.timedelta(days=1), EPISODE, ADMISSION),  # not known then
        ("K40.1", datetime.date(1800, 1, 1), None, ADMISSION),
        ("K40.1", EVENT, None, None),
    ]
    found = scan(tmp_path, rows, level=3)
    days = [EVENT, EPISODE, ADMISSION, None, ADMISSION, EPISODE, ADMISSION, EVENT]
    assert found["day"].to_list() == days


@pytest.mark.parametrize(
    ("written", "three", "four", "code", "outcome"),
    [
        ("K40.1", "K40", "K401", "K401", "mapped"),
        ("k401", "K40", "K401", "K401", "mapped"),
        ("K40", "K40", "K40", "K40", "mapped"),
        ("K40 ", "K40", "K40", "K40", "mapped"),
        ("K40X", "K40", "K40", "K40", "mapped"),
        ("K40.-", "K40", "K40", "K40", "mapped"),
        ("-", None, None, None, "unmapped"),
        ("&", None, None, None, "unmapped"),
        (None, None, None, None, "unmapped"),
        ("4K01", None, None, "4K01", "unmapped"),
        ("K40.11", None, None, "K40.11", "unmapped"),
    ],
)
def test_codes_are_read_with_dots_and_padding(
    tmp_path: Path,
    written: str | None,
    three: str | None,
    four: str | None,
    code: str | None,
    outcome: str,
) -> None:
    for level, expected in ((3, three), (4, four)):
        (found,) = scan(tmp_path, [(written, EVENT, None, None)], level=level).to_dicts()
        assert found["events"] == (expected and [f"PROCEDURE//OPCS4//{expected}"])
        assert (found["code"], found["outcome"]) == (code, outcome)
        assert found["value"] is found["unit"] is None


def write_lists(folder: Path, **lists: str) -> Path:
    names = list(lists)
    dictionary = "".join(f"{name},,,{name}.csv\n" for name in names)
    (folder / "secondary_care").mkdir()
    (folder / "dictionary.csv").write_text(f"phenotype,CPRD,ICD,OPCS\n{dictionary}Other,a.csv,,\n")
    for name, codes in lists.items():
        text = "Disease,OPCS4code,OPCS4codeDescr\n" + "".join(
            f"{name},{code},x\n" for code in codes.split()
        )
        (folder / f"secondary_care/{name}.csv").write_text(text)
    return folder


def test_procedures_of_caliber_include_the_codes_below_a_code_of_three(tmp_path: Path) -> None:
    lists = write_lists(tmp_path, Hip="W37 W38.1", Joint="W371 W38.1", Bad="nothing W39")
    pairs, manifest = read_opcs(lists)
    assert pairs.rows() == [
        ("W37", "Hip"),
        ("W371", "Joint"),
        ("W381", "Hip"),
        ("W381", "Joint"),
        ("W39", "Bad"),
    ]
    assert manifest["rows_refused"] == {"not an OPCS-4 code": 1}
    assert manifest["rows_repaired"] == {"OPCS-4 code without its dot": 1}
    listed, _ = read_listed(lists)
    prefix = "PROCEDURE//CALIBER//"
    for code, phenotypes in {
        "W37.1": ["Hip", "Joint"],
        "W37.2": ["Hip"],
        "W37": ["Hip"],
        "W38.1": ["Hip", "Joint"],
        "W38": None,
        "W38.2": None,
    }.items():
        (found,) = scan(
            tmp_path, [(code, EVENT, None, None)], level="caliber", listed=listed
        ).to_dicts()
        expected = phenotypes and [prefix + name for name in phenotypes]
        assert (found["events"] and sorted(found["events"])) == expected, code
        assert found["outcome"] == ("mapped" if phenotypes else "unmapped")


def test_lists_without_procedures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no phenotype has an OPCS list.*procedures\.level"):
        read_opcs(write_lists(tmp_path))
    bad = tmp_path / "bad"
    bad.mkdir()
    with pytest.raises(InputError, match=r"Hip\.csv: none of its codes can be read"):
        read_opcs(write_lists(bad, Hip="xx"))


def test_the_public_lists_have_28_phenotypes_with_procedures() -> None:
    folder = Path(__file__).parents[4] / "shared" / "caliber"
    if not folder.is_dir():
        pytest.skip("no copy of CALIBER's repository in ../shared/caliber")
    pairs, manifest = read_opcs(folder)
    assert pairs["phenotype"].n_unique() == 28
    assert manifest["rows_refused"] == {}
    assert set(pairs["phenotype"]) <= set(read_lists(folder).phenotypes["phenotype"])
