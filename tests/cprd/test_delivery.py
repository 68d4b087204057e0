import os
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from behrt.cprd import delivered_texts
from behrt.cprd.container import Text
from behrt.cprd.databases import AURUM, GOLD
from behrt.cprd.delivery import find_parts, require, survey
from behrt.errors import InputError


def _zip(path: Path, *members: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "patid\r\n")


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("name", "source_table", "part"),
    [
        ("18_188_all_dec2018_Extract_Patient_001.txt", "patient", "001"),
        ("20_000228_ch1_1_Extract_Clinical_012.txt", "clinical", "012"),
        ("extract_TEST_003.TXT", "test", "003"),
        ("patlist/x_Extract_Practice_001.txt", "practice", "001"),
        ("hes_diagnosis_hosp_16_049R.txt", "hes_diagnosis_hosp", "001"),
        ("hes_patient_20336R.txt", "hes_patient", "001"),
        ("GOLD_linked/Final/hes_hospital_20_095_DM.txt", "hes_hospital", "001"),
        ("hes_primary_diag_hosp_simulated.txt", "hes_primary_diag_hosp", "001"),
        ("e_death_patient_1.txt", "death_patient", "001"),
        ("21_1_linkage_eligibility_gold.txt", "linkage_eligibility", "001"),
        ("GOLD_enhanced_eligibility_January_2022.txt", "linkage_eligibility", "001"),
        ("x_Extract_Clinical_1042.txt", "clinical", "1042"),
        ("linkage_coverage.txt", "linkage_coverage", "001"),
    ],
)
def test_a_loose_file_is_known_by_its_name(
    tmp_path: Path, name: str, source_table: str, part: str
) -> None:
    _touch(tmp_path / name)
    (found,) = find_parts(tmp_path)
    assert (found.source_table, found.part, found.path) == (source_table, part, tmp_path / name)
    assert found.member is None


def test_a_zip_may_be_named_unlike_its_member(tmp_path: Path) -> None:
    _zip(tmp_path / "1234.aa1_Extract_Practice_001.zip", "aa1_Extract_Practice_001.txt")
    (found,) = find_parts(tmp_path)
    assert (found.source_table, found.member) == ("practice", "aa1_Extract_Practice_001.txt")


@pytest.mark.parametrize(
    "name",
    [
        "Aurum_set1_Extract_Patient_001.txt",
        "1_linkage_eligibility_aurum_joined.txt",
        "medical.txt",
        "x_Extract_Clinical_001.txt.md5",
        "hes_hospital_guide.pdf",
        "~$x_Extract_Clinical_001.csv",
        "._x_Extract_Clinical_001.txt",
        ".hidden/x_Extract_Patient_001.txt",
        "__MACOSX/x_Extract_Patient_001.txt",
    ],
)
def test_other_files_are_passed_over(tmp_path: Path, name: str) -> None:
    _touch(tmp_path / name)
    assert find_parts(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        "Extract_Patient.txt",
        "Extract_Patient_001.csv",
        "x-Extract-Clinical-012.txt",
        "x_Extract_Patients_001.txt",
        "x_Extract_Clinical_012.txt.filepart",
        ".x_Extract_Clinical_012.txt.Xk2aQ1",
        "Extract Clinical 012.xlsx",
        "hes-hospital 1.txt",
        "death_patient_1.tsv",
        "x_Extract_Clinical_12.txt",
        "x_Extract_Clinical_012 (1).zip",
        "gold/x_Extract_Clinical_012.7z",
        "x_Extract_Clinical_012.txt.gz",
        "hes_hospital_1.rar",
    ],
)
def test_a_part_that_would_be_missed_is_refused(tmp_path: Path, name: str) -> None:
    _touch(tmp_path / name)
    with pytest.raises(InputError, match="bears the name of the source table") as caught:
        find_parts(tmp_path)
    assert name in str(caught.value)


def test_parts_are_sorted_by_table_and_number(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        _touch(tmp_path / f"x_Extract_Clinical_{number:03d}.txt")
    _touch(tmp_path / "x_Extract_Additional_001.txt")
    found = [(part.source_table, part.part) for part in find_parts(tmp_path)]
    assert found == [
        ("additional", "001"),
        ("clinical", "001"),
        ("clinical", "002"),
        ("clinical", "003"),
    ]


def test_two_deliveries_with_the_same_numbers_are_numbered_anew(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        _touch(tmp_path / folder / f"{folder}_Extract_Clinical_001.txt")
    found = [(part.part, part.path.parent.name) for part in find_parts(tmp_path)]
    assert found == [("001", "a"), ("002", "b")]


def test_a_part_both_zipped_and_loose_is_refused(tmp_path: Path) -> None:
    _zip(tmp_path / "x_Extract_Test_001.zip", "x_Extract_Test_001.txt")
    _touch(tmp_path / "x_Extract_Test_001.txt")
    with pytest.raises(InputError, match=r"delivered twice"):
        find_parts(tmp_path)


def test_a_zip_of_two_parts_or_no_zip_at_all_is_refused(tmp_path: Path) -> None:
    _zip(tmp_path / "x_Extract_Test_001.zip", "a.txt", "b.txt")
    with pytest.raises(InputError, match="holds 2"):
        find_parts(tmp_path)
    (tmp_path / "x_Extract_Test_001.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="it is damaged"):
        find_parts(tmp_path)


def test_parts_in_a_zip_of_another_name_are_found(tmp_path: Path) -> None:
    _zip(tmp_path / "Results.zip", "a/x_Extract_Test_001.txt", "a/hes_hospital_1.txt", "notes.txt")
    found = [(part.source_table, part.member) for part in find_parts(tmp_path)]
    assert found == [("hes_hospital", "a/hes_hospital_1.txt"), ("test", "a/x_Extract_Test_001.txt")]


def test_files_of_other_names_are_found_by_pattern(tmp_path: Path) -> None:
    for name in ("p9_Patient_002.txt", "p9_Patient_001.txt", "x_Extract_Patient_001.txt"):
        _touch(tmp_path / "gold" / name)
    parts = find_parts(tmp_path, named={"patient": "gold/P9_*.txt", "test": []})
    assert [(part.part, part.path.name) for part in parts] == [
        ("001", "p9_Patient_001.txt"),
        ("002", "p9_Patient_002.txt"),
    ]
    with pytest.raises(InputError, match=r"named as clinical and patient"):
        find_parts(tmp_path, named={"patient": "gold/p9*", "clinical": "*Patient_001.txt"})


def test_both_spellings_of_immunisation_are_known(tmp_path: Path) -> None:
    _touch(tmp_path / "x_Extract_Immunization_001.txt")
    assert [part.source_table for part in find_parts(tmp_path)] == ["immunisation"]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    _touch(tmp_path / "elsewhere" / "x_Extract_Test_001.txt")
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    (delivery / "a").symlink_to(tmp_path / "elsewhere")
    (delivery / "b").symlink_to(delivery)
    assert [part.path.parent.name for part in find_parts(delivery)] == ["a"]


def test_a_link_to_nothing_is_refused_and_one_to_a_part_is_read(tmp_path: Path) -> None:
    _touch(tmp_path / "elsewhere" / "y.txt")
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    (delivery / "x_Extract_Test_001.txt").symlink_to(tmp_path / "elsewhere" / "y.txt")
    (found,) = find_parts(delivery)
    assert found.path == delivery / "x_Extract_Test_001.txt"
    for name in ("x_Extract_Test_002.txt", "linked"):
        (delivery / name).symlink_to(tmp_path / "unmounted")
        with pytest.raises(InputError, match=rf"^{name}: a link to a file or folder that is not"):
            find_parts(delivery)
        (delivery / name).unlink()


def test_a_pipe_in_place_of_a_part_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x_Extract_Test_001.txt")
    os.mkfifo(tmp_path / "other")
    with pytest.raises(InputError, match="not a regular file"):
        find_parts(tmp_path)


@pytest.mark.parametrize("zip_name", ["22_000001_Results.zip", "x_Extract_Test_001.zip"])
@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ("GOLD/x_Extract_Clinical_001.zip", "bears the name of the source table clinical"),
        ("x_Extract_Clinical_003.txt.gz", "bears the name of the source table clinical"),
        ("x_Extract_Clinical.txt", "bears the name of the source table clinical"),
        ("hes_hospital_1.csv", "bears the name of the source table hes_hospital"),
        ("linked.zip", "an archive inside a zip"),
        ("a.tar.gz", "an archive inside a zip"),
    ],
)
def test_a_member_that_would_be_missed_is_refused(
    tmp_path: Path, zip_name: str, member: str, problem: str
) -> None:
    _zip(tmp_path / zip_name, "x_Extract_Test_001.txt", member, "__MACOSX/x.zip", "guide.pdf")
    with pytest.raises(InputError, match=problem) as caught:
        find_parts(tmp_path)
    assert str(caught.value).startswith(f"{zip_name}, {Path(member).name}: ")


def test_a_member_that_would_be_missed_does_not_hide_the_others(tmp_path: Path) -> None:
    bad = ("x_Extract_Clinical_003.txt.gz", "x_Extract_Clinical.txt")
    _zip(tmp_path / "Results.zip", bad[0], "x_Extract_Test_001.txt", bad[1])
    found = survey(tmp_path)
    assert [part.member for part in found.parts] == ["x_Extract_Test_001.txt"]
    assert [problem.where for problem in found.problems] == [f"Results.zip, {name}" for name in bad]


def test_only_a_whole_word_names_a_database(tmp_path: Path) -> None:
    for folder in ("golden_copy", "marigold", "GOLDEN"):
        _touch(tmp_path / folder / f"{folder}_Extract_Observation_001.txt")
    for folder in ("gold", "GOLD_linked", "CPRDGOLD", "Final-Gold-2022"):
        _touch(tmp_path / folder / f"hes_hospital_{folder}.txt")
    _zip(tmp_path / "gold.zip", "hes_hospital_x.txt", "notes.txt")
    found = survey(tmp_path, database="aurum")
    assert {part.path.parent.name for part in found.parts} == {"golden_copy", "marigold", "GOLDEN"}
    assert len(found.passed_over) == 5
    assert not found.problems


@pytest.mark.parametrize("table", ["Observation", "Patient"])
def test_this_database_s_part_under_the_other_s_name_is_refused(tmp_path: Path, table: str) -> None:
    columns = AURUM.numbered[table.lower()].columns
    path = tmp_path / "gold_standard" / f"x_Extract_{table}_001.txt"
    _touch(path)
    path.write_text("\t".join(columns) + "\r\n")
    with pytest.raises(InputError, match="names CPRD GOLD, but it is a part of CPRD Aurum"):
        find_parts(tmp_path, database="aurum")
    if table == "Patient":  # one of GOLD's own is passed over
        path.write_text("\t".join(GOLD.numbered["patient"].columns) + "\r\n")
        assert survey(tmp_path, database="aurum").passed_over == [
            "gold_standard/x_Extract_Patient_001.txt"
        ]


def test_files_that_the_configuration_replaces_are_listed(tmp_path: Path) -> None:
    for name in ("p9_Patient_001.txt", "x_Extract_Patient_001.txt", "notes.txt", ".DS_Store"):
        _touch(tmp_path / name)
    found = survey(tmp_path, {"patient": "p9_*"})
    assert [part.path.name for part in found.parts] == ["p9_Patient_001.txt"]
    assert found.passed_over == ["x_Extract_Patient_001.txt"]
    assert found.others == ["notes.txt"]


def test_aurum_s_linked_files_are_passed_over_by_their_folder(tmp_path: Path) -> None:
    for folder in ("Aurum_linked", "GOLD_linked", "GOLD_and_Aurum"):
        _touch(tmp_path / folder / f"hes_hospital_{folder[:6]}.txt")
    names = [part.path.parent.name for part in find_parts(tmp_path)]
    assert names == ["GOLD_and_Aurum", "GOLD_linked"]


def test_tables_of_the_whole_build_may_come_with_every_extract(tmp_path: Path) -> None:
    for source_table in ("Practice", "Clinical"):
        for folder in "ab":
            path = tmp_path / folder / f"x_Extract_{source_table}_001.txt"
            _touch(path)
            path.write_text("pracid\n1\n")
    with pytest.raises(InputError, match=r"b/x_Extract_Clinical_001.txt: the same rows as in a/"):
        find_parts(tmp_path)
    (tmp_path / "b/x_Extract_Clinical_001.txt").write_text("pracid\n2\n")
    assert [part.source_table for part in find_parts(tmp_path)] == ["clinical"] * 2 + [
        "practice"
    ] * 2


def test_texts_of_one_size_are_opened_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time to find thousands of parts grows with their number, and not with its square."""
    for part in range(1, 31):
        rows = f"{part}\n" if part > 9 else ""
        (tmp_path / f"x_Extract_Clinical_{part:03d}.txt").write_text(f"patid\n{rows}")
    opened = []
    original = delivered_texts.open_text

    def open_text(source: Path, member: str | None) -> AbstractContextManager[Text]:
        opened.append(source)
        return original(source, member)

    monkeypatch.setattr(delivered_texts, "open_text", open_text)
    assert len(find_parts(tmp_path)) == 30
    assert len(opened) == len(set(opened))


def test_all_missing_tables_are_named_at_once(tmp_path: Path) -> None:
    _touch(tmp_path / "x_Extract_Patient_001.txt")
    parts = find_parts(tmp_path)
    require(parts, ["patient"], tmp_path)
    with pytest.raises(InputError, match=r"_Extract_Clinical_001.*hes_hospital"):
        require(parts, ["patient", "clinical", "hes_hospital"], tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_parts(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "source_table", "part"),
    [
        ("Aurum_AllPatID_set1_Extract_Observation_012.txt", "observation", "012"),
        ("20_000_Extract_DrugIssue_001.TXT", "drugissue", "001"),
        ("Aurum_linked/Final/hes_hospital_20_095_DM.txt", "hes_hospital", "001"),
        ("Aurum_enhanced_eligibility_January_2022.txt", "linkage_eligibility", "001"),
        ("e_aurum_death_patient.txt", "death_patient", "001"),
        ("1_linkage_eligibility_aurum_joined.txt", "linkage_eligibility", "001"),
        ("202205_EMISMedicalDictionary.txt", "emismedicaldictionary", "001"),
        ("CPRDAurumMedical.txt", "emismedicaldictionary", "001"),
    ],
)
def test_a_file_of_aurum_is_known_by_its_name(
    tmp_path: Path, name: str, source_table: str, part: str
) -> None:
    _touch(tmp_path / name)
    (found,) = find_parts(tmp_path, database="aurum")
    assert (found.source_table, found.part, found.path) == (source_table, part, tmp_path / name)


@pytest.mark.parametrize(
    "name", ["GOLD_linked/hes_hospital_1.txt", "gold/x_Extract_Patient_001.txt", "medical.txt"]
)
def test_files_of_gold_are_passed_over_in_a_delivery_of_aurum(tmp_path: Path, name: str) -> None:
    _touch(tmp_path / name)
    assert find_parts(tmp_path, database="aurum") == []


def test_the_other_database_is_named_where_a_delivery_is_taken_for_this_one(tmp_path: Path) -> None:
    _touch(tmp_path / "x_Extract_Observation_001.txt")
    _touch(tmp_path / "x_Extract_Patient_001.txt")
    with pytest.raises(InputError, match="holds files of CPRD Aurum: for these, set `database: a"):
        require(find_parts(tmp_path), ["patient", "clinical"], tmp_path)
    with pytest.raises(InputError) as caught:
        require(find_parts(tmp_path, database="aurum"), ["practice"], tmp_path, "aurum")
    assert "CPRD GOLD" not in str(caught.value)
