from pathlib import Path

import pytest

from behrt.caliber.lists import read_lists, read_terms
from behrt.errors import InputError

REPOSITORY = Path(__file__).parents[3] / "shared" / "caliber"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "dictionary.csv": "phenotype,CPRD,ICD,OPCS\r\n"
        "Gout,CPRD_gout.csv,ICD_gout.csv,\r\n"
        "Asthma,CPRD_asthma.csv,,\r\n"
        "Raised lipids,,,\r\n"
        "anaemia,,ICD_anaemia.csv,OPCS_anaemia.csv\r\n",
        "phenotype_categories_mapping.csv": "Phenotype,Category\r\n"
        "Gout,Joints\r\nAsthma,Lungs\r\nRaised lipids,Blood\r\nanaemia,Blood\r\n",
        "primary_care/CPRD_gout.csv": "Disease,Readcode,Medcode,ReadcodeDescr,Category\r\n"
        "Gout,C34..00,15311.0,Gout,Diagnosis\r\n"
        "Gout,7004300.0,7,Gouty,Diagnosis\r\n"
        "Gout,C34..00,15311,Gout,History\r\n"
        "Gout,C35..00,,No medcode,Diagnosis\r\n"
        "Gout,C36..00,12.5,Half a medcode,Diagnosis\r\n",
        "primary_care/CPRD_asthma.csv": '"metadata","category","readcode","readterm","medcode"\n'
        '"Name: asthma",1,"H33..00","Asthma, ""all"" kinds",7\n',
        "secondary_care/ICD_gout.csv": "Disease,ICD10code,ICD10codeDescr,Category\r\n"
        "Gout,M10,Gout,Diagnosis\r\nGout,G590,Undotted,Diagnosis\r\n\r\n"
        "Gout,M14.50,Too fine,Diagnosis\r\nGout,gout,No code,Diagnosis\r\n",
        "secondary_care/ICD_anaemia.csv": '"metadata","icd_code","icd_term","category"\n'
        '"x","D50.9","Anaemia",3\n"x","N23.X","Filler",3\n',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path


def test_phenotypes_are_those_with_a_list_in_code_point_order(folder: Path) -> None:
    assert read_lists(folder).phenotypes.rows() == [
        (0, "Asthma", "Lungs", "CALIBER//Asthma"),
        (1, "Gout", "Joints", "CALIBER//Gout"),
        (2, "anaemia", "Blood", "CALIBER//anaemia"),
    ]


def test_a_medcode_may_have_two_phenotypes_and_a_pair_is_there_once(folder: Path) -> None:
    assert read_lists(folder).medcodes.rows() == [(7, 0), (7, 1), (15311, 1)]


def test_medcodeids_are_told_from_medcodes_by_column_read_codes_and_length(folder: Path) -> None:
    listed = folder / "primary_care/CPRD_gout.csv"
    listed.write_text(
        "MedCodeId,Term\n421235014,Gout\n100000000000000007,Gout\n7.0,Gout\n"
        "100000000000000008.0,not exact\n1.0E+17,rounded\n,blank\n"
    )
    lists = read_lists(folder)
    assert lists.medcodeids.rows() == [(7, 1), (421235014, 1), (100000000000000007, 1)]
    assert lists.medcodes.rows() == [(7, 0)]  # of the list with Read codes
    assert lists.manifest["medcodeids"]["rows_refused"] == {
        "blank medcodeid": 1,
        "medcodeid is not a whole number above 0": 2,
    }
    listed.write_text("Medcode,Term\n421235014,Gout\n15311,Gout\n")
    lists = read_lists(folder)
    assert lists.medcodeids.rows() == [(15311, 1), (421235014, 1)]
    assert lists.medcodes.rows() == [(7, 0), (15311, 1)]
    assert lists.manifest["medcodes"]["rows_refused"] == {"medcode is a medcodeid of CPRD Aurum": 1}
    listed.write_text("Readcode,Term\nC34..00,Gout\n")
    lists = read_lists(folder)
    assert ("C34..00", 1) in lists.read.rows()
    assert 1 not in [*lists.medcodes["phenotype"], *lists.medcodeids["phenotype"]]


def test_icd_codes_are_undotted(folder: Path) -> None:
    assert read_lists(folder).icd.rows() == [("D509", 2), ("G590", 1), ("M10", 1), ("N23", 2)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_letters_beyond_ascii_are_read_in_either_encoding(folder: Path, encoding: str) -> None:
    for name in ("dictionary.csv", "phenotype_categories_mapping.csv"):
        text = (folder / name).read_text().replace("Gout", "Ménière's")
        (folder / name).write_text(text, encoding=encoding)
    assert "Ménière's" in read_lists(folder).phenotypes["phenotype"]


def test_every_row_is_read_or_refused_for_a_reason(folder: Path) -> None:
    manifest = read_lists(folder).manifest
    assert manifest["dictionary_rows_without_a_list"] == 1
    assert manifest["medcodes"] == {
        "rows_read": 6,
        "rows_refused": {"blank medcode": 1, "medcode is not a whole number above 0": 1},
        "rows_repaired": {
            "medcode written with .0": 1,
            "Read code mangled by a spreadsheet, medcode used": 1,
        },
        "rows_repeated": 1,
        "pairs": 3,
    }
    assert manifest["icd"] == {
        "rows_read": 6,
        "rows_refused": {"ICD-10 code of more than four characters": 1, "not an ICD-10 code": 1},
        "rows_repaired": {"ICD-10 code without its dot": 1, "ICD-10 code with the filler X": 1},
        "rows_repeated": 0,
        "pairs": 4,
    }


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("dictionary.csv", "phenotype,CPRD\nGout,x\n", "no column 'icd'"),
        ("dictionary.csv", "phenotype,CPRD,ICD\nGout,a,\nGout,b,\n", "'Gout' is named twice"),
        ("phenotype_categories_mapping.csv", "Phenotype,Category\nGout,J\n", "no chapter for"),
        ("primary_care/CPRD_gout.csv", "Disease,Code\nGout,C34..00\n", "none of its codes"),
        ("primary_care/CPRD_gout.csv", "Medcodeid\n4.21E+17\n", "a spreadsheet has rewritten"),
        ("primary_care/CPRD_gout.csv", "Medcode\nC34..00\nC35..00\n", "none of its codes"),
        ("secondary_care/ICD_gout.csv", "Medcode,ICD10code\n7,\n", "none of its codes"),
        ("primary_care/CPRD_gout.csv", None, "cannot be read"),
    ],
)
def test_a_damaged_folder_is_refused(
    folder: Path, name: str, text: str | None, problem: str
) -> None:
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_lists(folder)
    assert Path(name).name in str(caught.value)


@pytest.mark.skipif(not REPOSITORY.is_dir(), reason="no copy of CALIBER's repository at hand")
def test_the_real_lists_give_301_phenotypes_in_16_chapters() -> None:
    lists = read_lists(REPOSITORY)
    assert lists.phenotypes.height == 301
    assert lists.phenotypes["chapter"].n_unique() == 16
    assert lists.manifest["medcodes"]["rows_read"] == 10420
    assert lists.manifest["icd"]["rows_read"] == 1925
    assert not lists.manifest["medcodes"]["rows_refused"]
    assert not lists.manifest["icd"]["rows_refused"]
    assert lists.manifest["medcodes"]["rows_repaired"] == {
        "medcode written with .0": 9178,
        "Read code mangled by a spreadsheet, medcode used": 150,
    }
    assert lists.manifest["icd"]["rows_repaired"] == {
        "ICD-10 code without its dot": 12,
        "ICD-10 code with the filler X": 1,
    }
    assert lists.medcodes["medcode"].n_unique() == 10077
    # every phenotype has a code in one of the two systems
    coded = set(lists.medcodes["phenotype"]) | set(lists.icd["phenotype"])
    assert coded == set(range(301))
    # N23.X is N23 with a filler
    assert "N23" in lists.icd["icd"]


def test_the_terms_of_both_layouts_are_read(folder: Path) -> None:
    terms = {(system, code): rest for system, code, *rest in read_terms(folder).iter_rows()}
    assert terms["medcode", "15311"] == ["C34..00", "Gout"]
    assert terms["medcode", "7"] == ["H33..00", 'Asthma, "all" kinds']  # of the first phenotype
    assert terms["icd10", "M10"] == [None, "Gout"]
    assert terms["icd10", "D509"] == [None, "Anaemia"]
