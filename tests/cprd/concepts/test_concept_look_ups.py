import zipfile
from pathlib import Path

import polars as pl
import pytest

from behrt.cprd.concepts.look_ups import (
    NEEDED,
    LookUpFile,
    find_look_ups,
    needed,
    read_codes,
    read_look_up,
)
from behrt.cprd.concepts.numbers import code, number, units
from behrt.errors import InputError
from behrt.simulation.paths import look_up_files

ALL = ["diagnoses", "medications", "procedures", "tests", "measurements"]


def place(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a\tb\n1\t2\n")


def test_look_ups_are_found_by_name_at_any_depth_and_in_zips(tmp_path: Path) -> None:
    place(tmp_path, "Lookups/Product.txt", "x/entity.TXT", "x/TXTFILES/SUM.txt", "x/sums.txt")
    with zipfile.ZipFile(tmp_path / "codes.zip", "w") as archive:
        for name in ("TXTFILES/OPR.txt", "TXTFILES/YND.txt", "TXTFILES/TQU.txt"):
            archive.writestr(name, "Code\tText\r\n1\t<\r\n")
    found = find_look_ups(tmp_path, "gold", ALL, {})
    assert set(found) == {"product", "entity", "OPR", "SUM", "TQU", "YND"}
    assert found["product"].path == tmp_path / "Lookups/Product.txt"
    assert found["SUM"].path == tmp_path / "x/TXTFILES/SUM.txt"
    assert read_codes(found["OPR"]) == {1: "<"}
    assert find_look_ups(tmp_path, "gold", ["diagnoses"], {}) == {}
    assert find_look_ups(tmp_path / "none", "gold", ["diagnoses", "procedures"], {}) == {}


@pytest.mark.parametrize(
    "name",
    ["202409_EMISProductDictionary.txt", "EMISProductDictionary.txt", "CPRDAurumProduct.txt"],
)
def test_the_dictionary_of_aurum_has_several_names(tmp_path: Path, name: str) -> None:
    place(tmp_path, name, "NumUnit.txt", "202409_EMISMedicalDictionary.txt")
    found = find_look_ups(tmp_path, "aurum", ALL, {})
    assert found["product"].path.name == name
    assert found["NumUnit"].path.name == "NumUnit.txt"


def test_a_look_up_that_is_missing_or_twice_is_refused_with_what_to_do(tmp_path: Path) -> None:
    place(tmp_path, "entity.txt", "OPR.txt", "TQU.txt", "YND.txt", "2019/SUM.txt", "2021/SUM.txt")
    inputs = ["diagnoses", "tests"]
    with pytest.raises(InputError, match=r"2 files TXTFILES/SUM\.txt .*set `concepts\.look_ups\.S"):
        find_look_ups(tmp_path, "gold", inputs, {})
    named = {"SUM": str(tmp_path / "2021/SUM.txt")}
    assert find_look_ups(tmp_path, "gold", inputs, named)["SUM"].path.parent.name == "2021"
    missing = r"no file product\.txt, which the input medications needs\. .*remove medications"
    with pytest.raises(InputError, match=missing):
        find_look_ups(tmp_path, "gold", ALL, named)
    with pytest.raises(InputError, match=r"concepts\.look_ups\.SUM: there is no file nowhere"):
        find_look_ups(tmp_path, "gold", inputs, {"SUM": "nowhere"})
    packed = tmp_path / "own.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("units of 2021.txt", "Code\tUnit\n1\t%\n")
    file = find_look_ups(tmp_path, "gold", inputs, {"SUM": str(packed)})["SUM"]
    assert read_codes(file) == {1: "%"}
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("more.txt", "")
    with pytest.raises(InputError, match=r"holds 2 \.txt files, not one"):
        find_look_ups(tmp_path, "gold", inputs, {"SUM": str(packed)})


def test_a_simulated_delivery_names_every_look_up_that_is_needed() -> None:
    for database, by_concept in NEEDED.items():
        wanted = {name for names in by_concept.values() for name in names}
        assert wanted == set(needed(database, ALL))
        assert wanted <= set(look_up_files(database, ALL))


def write(folder: Path, text: bytes) -> LookUpFile:
    (folder / "product.txt").write_bytes(text)
    return LookUpFile(folder / "product.txt", None, "product")


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    text = (
        b"\xef\xbb\xbfBuild 2024\r\nProd_Code\tDrug Substance\tother\r\n1\tM\xe9n\r\n 2 \t\t3\r\n"
    )
    columns = {"prodcode": ["prodcodeid", "prodcode"], "name": ["drugsubstance"], "bnf": ["bnf"]}
    rows = read_look_up(write(tmp_path, text), columns, optional=["bnf"])
    assert rows.rows() == [("1", "M\xe9n", None), ("2", None, None)]
    assert rows.schema == dict.fromkeys(columns, pl.String)
    with pytest.raises(InputError, match=r"product\.txt: no column bnf .*concepts\.look_ups\.prod"):
        read_look_up(write(tmp_path, text), columns)
    assert read_look_up(write(tmp_path, b"prodcode\tdrugsubstance"), columns, ["bnf"]).is_empty()


@pytest.mark.parametrize(
    ("text", "problem"),
    [(b"", "no TABs"), (b"a,b\n1,2\n", "no TABs"), (b"a\tb\nx\ty\n", "no code in its first")],
)
def test_a_look_up_of_codes_that_is_none_is_refused(
    tmp_path: Path, text: bytes, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_codes(write(tmp_path, text))


def test_codes_have_a_number_and_a_text(tmp_path: Path) -> None:
    text = b"Code\tSpecimen Unit Of Measure\n0\tNo Data Entered\n1\t%\n9\t\nx\ty\n"
    assert read_codes(write(tmp_path, text)) == {0: "No Data Entered", 1: "%", 9: ""}


def test_numbers_and_codes_are_read_from_text() -> None:
    texts = ["3", "3.000", " 3 ", "", None, "x", "3.5", "-1", "1e400", "0"]
    read = pl.DataFrame({"text": texts}).select(
        number=number(pl.col("text")), code=code(pl.col("text"))
    )
    assert read["number"].to_list() == [3, 3, 3, None, None, None, 3.5, -1, None, 0]
    assert read["code"].to_list() == [3, 3, 3, 0, 0, -1, -1, -1, -1, 0]
    assert units({5: "MMOL/ L", 7: "Data Not Entered"}) == {5: "mmol/l", 7: "", 0: ""}
