import pytest

from behrt.cprd.databases import AURUM, GOLD, Database
from behrt.errors import InputError


@pytest.mark.parametrize(
    ("database", "chosen", "coded", "pointing"),
    [
        (GOLD, None, ["clinical"], []),
        (GOLD, ["referral", "test"], ["referral", "test"], []),
        (AURUM, None, ["observation"], []),
        (AURUM, ["problem"], ["observation"], ["problem"]),
        (AURUM, ["referral", "problem"], ["observation"], ["referral", "problem"]),
        (AURUM, ["problem", "observation"], ["observation"], []),
    ],
)
def test_diagnoses_come_from_the_tables_chosen(
    database: Database, chosen: list[str] | None, coded: list[str], pointing: list[str]
) -> None:
    assert database.diagnoses(chosen) == (coded, pointing)
    needed = database.needed(chosen)
    assert {*coded, *pointing, *database.records, "patient", "death_patient"} <= set(needed)
    assert len(needed) == len(set(needed))
    assert set(needed) <= set(database.source_tables)


def test_an_obsid_is_read_only_where_tables_point_by_it() -> None:
    assert "obsid" in AURUM.unread("observation", None)
    assert "obsid" not in AURUM.unread("observation", ["problem"])
    assert AURUM.unread("problem", None) == []


@pytest.mark.parametrize(
    ("database", "inputs", "tables", "read"),
    [
        (GOLD, [], [], {"clinical": "patid eventdate medcode", "test": "patid eventdate medcode"}),
        (GOLD, ["medications"], ["therapy"], {"therapy": "patid eventdate prodcode"}),
        (GOLD, ["procedures"], ["hes_procedures_epi"], {"clinical": "patid eventdate medcode"}),
        (
            GOLD,
            ["tests"],
            ["test"],
            {"test": "patid eventdate medcode enttype data1 data2 data3 data4 data5 data6"},
        ),
        (
            GOLD,
            ["measurements"],
            ["additional"],
            {
                "clinical": "patid eventdate medcode adid",
                "additional": "patid enttype adid data1 data2 data3",
            },
        ),
        (AURUM, [], [], {"observation": "patid eventdate medcode"}),
        (AURUM, ["medications"], ["drugissue"], {"drugissue": "patid eventdate prodcode"}),
        (
            AURUM,
            ["measurements"],
            [],
            {"observation": "patid eventdate medcode value numunitid"},
        ),
        (
            AURUM,
            ["tests", "measurements"],
            [],
            {
                "observation": "patid eventdate medcode value numunitid numrangelow numrangehigh",
            },
        ),
    ],
)
def test_tables_and_columns_of_concepts_are_read_only_with_their_input(
    database: Database, inputs: list[str], tables: list[str], read: dict[str, str]
) -> None:
    inputs = ["diagnoses", *inputs]
    usual = database.needed(None)
    assert database.needed(None, inputs=inputs) == [*usual, *tables]
    for name, columns in read.items():
        unread = database.unread(name, None, inputs)
        assert list(database.source_tables[name].without(unread).types) == columns.split()


@pytest.mark.parametrize(("database", "source_table"), [(GOLD, "observation"), (AURUM, "test")])
def test_a_table_of_the_other_database_is_refused(database: Database, source_table: str) -> None:
    with pytest.raises(InputError, match=f"has no diagnoses in '{source_table}'"):
        database.diagnoses([source_table])


def test_what_means_the_same_has_one_name_in_both_databases() -> None:
    patient, observation = AURUM.source_tables["patient"], AURUM.source_tables["observation"]
    assert set(patient.types) - set(GOLD.source_tables["patient"].types) == {"pracid"}
    assert [patient.theirs(name) for name in ("crd", "tod", "deathdate", "accept")] == [
        "regstartdate",
        "regenddate",
        "cprd_ddate",
        "acceptable",
    ]
    assert observation.ours("MedCodeId") == "medcode"
    assert "uts" not in AURUM.source_tables["practice"].types
