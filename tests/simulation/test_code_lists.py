"""The project's own code lists, and codes from these or real lists."""

from pathlib import Path

import polars as pl
import pytest

from behrt.caliber.lists import read_lists
from behrt.errors import InputError
from behrt.simulation import code_lists
from behrt.simulation.code_lists import (
    HOSPITAL_ONLY,
    WITHOUT_A_LIST,
    codes_to_write,
    read_medical,
    unmapped_medical,
    write_lists,
)
from behrt.simulation.diseases import read_diseases

REAL = Path(__file__).parents[3] / "shared" / "caliber"
DISEASES = read_diseases()
NAMES = DISEASES["name"].to_list()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "caliber"
    write_lists(DISEASES, path)
    return path


@pytest.fixture(params=["own", "real"], scope="module")
def source(request: pytest.FixtureRequest, folder: Path) -> Path:
    if request.param == "own":
        return folder
    if not REAL.is_dir():
        pytest.skip("no copy of CALIBER's repository in ../shared/caliber")
    return REAL


def diseases_of(column: str, pairs: pl.DataFrame) -> dict[object, set[int]]:
    found: dict[object, set[int]] = {}
    for code, disease in pairs.select(column, "phenotype").iter_rows():
        found.setdefault(code, set()).add(disease)
    return found


def test_the_lists_have_every_disease_and_chapter(folder: Path) -> None:
    lists = read_lists(folder)
    assert lists.phenotypes["phenotype"].to_list() == NAMES
    assert lists.phenotypes["chapter"].to_list() == DISEASES["chapter"].to_list()
    assert lists.manifest["medcodes"]["rows_refused"] == {}
    assert lists.manifest["icd"]["rows_refused"] == {}
    assert lists.manifest["dictionary_rows_without_a_list"] == len(WITHOUT_A_LIST)


def test_every_disease_has_several_codes(folder: Path) -> None:
    lists = read_lists(folder)
    assert set(lists.icd["phenotype"]) == set(range(len(NAMES)))
    counts = dict(lists.medcodes.group_by("phenotype").len().iter_rows())
    without = {NAMES.index(name) for name in HOSPITAL_ONLY}
    assert {disease for disease in range(len(NAMES)) if counts.get(disease, 0) < 4} == without


def test_read_codes_have_their_shape_and_one_medcode_each(folder: Path) -> None:
    medical = read_medical(folder)
    assert medical["readcode"].str.contains(r"^[0-9A-Za-z]{2}[0-9A-Za-z.]{3}[0-9A-Za-z]{2}$").all()
    assert not medical["readcode"].is_duplicated().any()
    assert not medical["medcode"].is_duplicated().any()


def test_read_codes_that_differ_only_in_case_mean_different_diseases(folder: Path) -> None:
    lists = read_lists(folder)
    medical = read_medical(folder).join(lists.medcodes, on="medcode")
    alike = medical.group_by(pl.col("readcode").str.to_lowercase()).agg(
        pl.col("readcode").n_unique().alias("spellings"),
        pl.col("phenotype").n_unique().alias("diseases"),
    )
    several = alike.filter(pl.col("spellings") > 1)
    assert several.height > 500
    assert (several["diseases"] > 1).all()


def test_some_codes_belong_to_two_diseases_of_one_chapter_and_sex(
    folder: Path,
) -> None:
    lists = read_lists(folder)
    for column, pairs in (("medcode", lists.medcodes), ("icd", lists.icd)):
        found = diseases_of(column, pairs)
        shared = [diseases for diseases in found.values() if len(diseases) > 1]
        assert 0.01 < len(shared) / len(found) < 0.1
        for diseases in shared:
            rows = DISEASES[sorted(diseases)]
            assert rows["chapter"].n_unique() == 1
            assert rows["sex"].n_unique() == 1 or set(rows["name"]) == {
                "Female infertility",
                "Male infertility",
            }


def test_infertility_has_codes_of_its_own_and_codes_for_both_sexes(folder: Path) -> None:
    found = diseases_of("medcode", read_lists(folder).medcodes)
    female, male = NAMES.index("Female infertility"), NAMES.index("Male infertility")
    assert sum(diseases == {female, male} for diseases in found.values()) >= 4
    assert sum(diseases == {female} for diseases in found.values()) >= 4
    assert sum(diseases == {male} for diseases in found.values()) >= 4


def test_some_children_of_three_character_icd_codes_are_in_other_lists(folder: Path) -> None:
    lists = read_lists(folder)
    whole = {code for code in lists.icd["icd"] if len(code) == 3}
    parts = {code for code in lists.icd["icd"] if len(code) == 4}
    assert len(whole) > 100
    assert any(code[:3] in whole for code in parts)


def test_unmapped_codes_are_in_no_list(source: Path) -> None:
    listed = read_medical(source)
    unmapped = unmapped_medical(listed)
    assert not set(unmapped["medcode"]) & set(listed["medcode"])
    assert not set(unmapped["readcode"]) & set(listed["readcode"])
    assert not unmapped["medcode"].is_duplicated().any()
    assert not unmapped["readcode"].is_duplicated().any()
    assert (unmapped["readcode"].str.len_chars() == 7).all()
    assert (listed["readcode"].str.len_chars() == 7).all()


def test_medical_has_every_listed_medcode(source: Path) -> None:
    assert set(read_medical(source)["medcode"]) == set(read_lists(source).medcodes["medcode"])


def test_codes_map_to_their_disease(source: Path) -> None:
    lists = read_lists(source)
    codes = codes_to_write(source, DISEASES, unmapped_medical(read_medical(source)))
    medcodes = diseases_of("medcode", lists.medcodes)
    icds = diseases_of("icd", lists.icd)
    gp = codes.drop_nulls("medcode")
    for disease, medcode in gp.select("disease", "medcode").iter_rows():
        assert medcodes.get(medcode, set()) >= ({disease} - {None})
    assert not set(gp.filter(pl.col("kind") != "diagnosis")["medcode"]) & set(medcodes)
    for disease, icd in codes.drop_nulls("icd").select("disease", "icd").iter_rows():
        bare = icd.replace(".", "")
        found = icds.get(bare, set()) | icds.get(bare[:3], set())
        assert disease in found if disease is not None else not found
    assert set(codes.drop_nulls(["icd", "disease"])["disease"]) == set(range(len(NAMES)))
    assert codes.filter(pl.col("disease").is_null() & pl.col("icd").is_not_null()).height > 10


def test_read_codes_that_a_spreadsheet_changed_are_restored() -> None:
    if not REAL.is_dir():
        pytest.skip("no copy of CALIBER's repository in ../shared/caliber")
    words = dict(read_medical(REAL).select("medcode", "readcode").iter_rows())
    assert words[9206] == "7700400"  # listed as 7700400.0
    assert words[510] == "6689.00"  # listed as 6689


def test_the_own_lists_are_not_copied_from_real_ones(folder: Path) -> None:
    if not REAL.is_dir():
        pytest.skip("no copy of CALIBER's repository in ../shared/caliber")

    def triples(path: Path) -> set[tuple[str, int]]:
        both = read_medical(path).join(read_lists(path).medcodes, on="medcode")
        return set(both.select("readcode", "phenotype").iter_rows())

    assert not triples(folder) & triples(REAL)


def test_lists_are_written_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "stale.csv").touch()
    write_lists(DISEASES, tmp_path / "again")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.csv"))
    again = sorted(path.relative_to(tmp_path / "again") for path in tmp_path.rglob("*.csv"))
    assert files == again
    for path in files:
        assert (folder / path).read_bytes() == (tmp_path / "again" / path).read_bytes()


def test_lists_of_other_diseases_are_refused(folder: Path) -> None:
    unmapped = unmapped_medical(read_medical(folder))
    with pytest.raises(InputError, match="1 phenotypes differ"):
        codes_to_write(folder, DISEASES[1:], unmapped)


def test_an_unknown_chapter_is_refused(tmp_path: Path) -> None:
    odd = DISEASES.head(1).with_columns(chapter=pl.lit("Diseases of the Soul"))
    with pytest.raises(InputError, match="is not a chapter"):
        code_lists.write_lists(odd, tmp_path / "lists")
    assert not list(tmp_path.iterdir())
