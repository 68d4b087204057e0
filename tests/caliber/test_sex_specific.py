"""The list of diseases of one sex: its rule, and how it is read."""

from pathlib import Path

import pytest

from behrt.caliber.lists import read_lists
from behrt.caliber.sex_specific import CATEGORIES, SexSpecific, read_sex_specific
from behrt.errors import InputError
from behrt.simulation.diseases import read_diseases

CALIBER = Path(__file__).parents[3] / "shared" / "caliber"
NAMES = ["Asthma", "Endometriosis", "Hyperplasia of prostate", "Sciatica"]


@pytest.mark.skipif(not CALIBER.is_dir(), reason="needs a copy of CALIBER's lists")
def test_the_list_is_what_its_rule_gives_on_the_public_lists() -> None:
    lists = read_lists(CALIBER)
    names = lists.phenotypes["phenotype"].to_list()
    expected = {}
    for phenotype, codes in lists.icd.group_by("phenotype").agg("icd").iter_rows():
        for sex, ranges in CATEGORIES.items():
            inside = [
                any(first <= code[: len(first)] <= last for first, last in ranges) for code in codes
            ]
            if sum(inside) * 2 >= len(codes):
                expected[names[phenotype]] = sex
    found = {disease.name: disease.sex for disease in read_sex_specific(names)}
    assert found == expected
    assert len(found) == 25


def test_the_simulation_gives_none_of_them_to_the_other_sex() -> None:
    simulated = read_diseases()
    sexes = dict(simulated.select("name", "sex").iter_rows())
    for disease in read_sex_specific(simulated["name"].to_list()):
        assert sexes[disease.name] == disease.sex


def test_only_what_the_vocabulary_has_is_read() -> None:
    found = read_sex_specific(NAMES)
    assert found == [
        SexSpecific(1, "Endometriosis", "female"),
        SexSpecific(2, "Hyperplasia of prostate", "male"),
    ]
    assert [(disease.own, disease.other) for disease in found] == [(2, 1), (1, 2)]


def test_the_users_table_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "sexes.csv"
    path.write_text("disease,sex,why\nSciatica,male,a test\nAsthma,female,\n")
    found = read_sex_specific(NAMES, path)
    assert [(disease.name, disease.sex) for disease in found] == [
        ("Asthma", "female"),
        ("Sciatica", "male"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not begin with disease,sex"),
        ("sex,disease\n", "does not begin with disease,sex"),
        ("disease,sex\n", "it has no disease"),
        ("disease,sex\nAsthma\n", "line 2: it has 1 values"),
        ("disease,sex\nAsthma,F\n", "line 2: there is no sex 'F'"),
        ("disease,sex\nAstma,male\n", "line 2: there is no disease 'Astma'. Did you mean 'Asthma'"),
        ("disease,sex\nAsthma,male\nAsthma,female\n", "line 3: 'Asthma' is named twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "sexes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_sex_specific(NAMES, path)
