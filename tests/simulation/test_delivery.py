"""The simulated delivery, read in plain Python: layout, content, flaws, and reproducible bytes."""

import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.caliber.lists import read_lists
from behrt.cprd.layout import GOLD, LINKED, SourceTable
from behrt.errors import InputError
from behrt.settings.base import read
from behrt.settings.simulation import Flaws, ProcessSettings
from behrt.simulation import delivery, linked_data
from behrt.simulation.code_lists import read_codes
from behrt.simulation.delivery import PersonRange, people_of_part, write_linked
from behrt.simulation.paths import simulated_parts
from behrt.simulation.patients import HES_COVERAGE, ONS_COVERAGE
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.recordings import DUE
from behrt.simulation.world import World, make_world

from .deliveries import SEED, write_people, write_shared

PEOPLE = 1500
PRACTICES = 12
NO_FLAWS = Flaws(**dict.fromkeys(Flaws.model_fields, 0.0))
Row = dict[str, str]


@dataclass
class Delivery:
    """The files of a delivery of one part, and their rows."""

    folder: Path

    def path(self, name: str) -> Path:
        suffix = "zip" if name in GOLD else "txt"
        return self.folder / f"{name}.{suffix}"

    def content(self, name: str) -> bytes:
        if name not in GOLD:
            return self.path(name).read_bytes()
        with zipfile.ZipFile(self.path(name)) as archive:
            assert archive.namelist() == [f"{name}.txt"]
            return archive.read(f"{name}.txt")

    def rows(self, name: str) -> list[Row]:
        header, *lines = self.content(name).decode("ascii").split("\r\n")[:-1]
        columns = header.lower().split("\t")
        return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(PRACTICES, SEED)


def write(world: World, folder: Path, flaws: Flaws, lists: Path | None = None) -> Delivery:
    made = Delivery(folder)
    write_shared(world, folder, lists=lists)
    write_people(world, folder / "codes.parquet", folder, PEOPLE, flaws)
    write_linked([folder / "fragments"], {name: made.path(name) for name in linked_data.TABLES})
    return made


@pytest.fixture(scope="module")
def clean(world: World, tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return write(world, tmp_path_factory.mktemp("clean"), NO_FLAWS)


@pytest.fixture(scope="module")
def flawed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return write(world, tmp_path_factory.mktemp("flawed"), Flaws())


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, 1, PEOPLE, SEED, ProcessSettings())


def day(text: str) -> date:
    assert re.fullmatch(r"\d\d/\d\d/\d{4}", text)
    number, month, year = (int(part) for part in text.split("/"))
    return date(year, month, number)


def day_of(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def person_of(row: Row) -> int:
    return int(row["patid"]) // 100_000


def by_patient(rows: list[Row]) -> dict[str, Row]:
    return {row["patid"]: row for row in rows}


# ------------------------------------------------------------------------------------- layout


SIMULATED = [
    table
    for name, table in {**GOLD, **LINKED}.items()
    if name in {part.source_table for part in simulated_parts(Path(), 1)}
]


def test_every_table_has_its_layout(flawed: Delivery) -> None:
    for table in SIMULATED:
        check_layout(flawed, table)


def check_layout(flawed: Delivery, table: SourceTable) -> None:
    content = flawed.content(table.name)
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert b'"' not in content
    header, *lines = content.decode("ascii").split("\r\n")[:-1]
    assert tuple(header.split("\t")) == table.columns
    assert lines
    dated = [name for name in table.columns if table.types.get(name.lower()) == "date"]
    whole = [name for name in table.columns if table.types.get(name.lower()) in ("id", "integer")]
    for line in lines:
        values = dict(zip(table.columns, line.split("\t"), strict=True))
        for name in dated:
            assert not values[name] or day(values[name])
        for name in whole:
            assert re.fullmatch(r"\d*", values[name])
        for name in table.required:
            column = next(given for given in table.columns if given.lower() == name)
            assert values[column]


def test_medical_has_every_code_that_is_used(flawed: Delivery) -> None:
    header, *lines = (flawed.folder / "medical.txt").read_bytes().decode("cp1252").split("\r\n")
    assert header == "medcode\treadcode\tdesc"
    known = {line.split("\t")[0] for line in lines[:-1]}
    used = {
        row["medcode"] for name in ("clinical", "test", "referral") for row in flawed.rows(name)
    }
    assert used - known == {"0"}


def test_ids_end_in_the_practice(flawed: Delivery) -> None:
    practices = {row["pracid"] for row in flawed.rows("practice")}
    assert len(practices) == PRACTICES
    staff = {row["staffid"] for row in flawed.rows("staff")}
    assert {row["staffid"][-5:] for row in flawed.rows("staff")} == practices
    for row in flawed.rows("consultation"):
        assert row["patid"][-5:] == row["staffid"][-5:]
        assert row["staffid"] in staff
    for row in flawed.rows("linkage_eligibility"):
        assert row["patid"][-5:] == row["pracid"]
    assert {row["patid"][-5:] for row in flawed.rows("patient")} <= practices


def test_rows_of_different_tables_match(flawed: Delivery) -> None:
    consultations = {(row["patid"], row["consid"]) for row in flawed.rows("consultation")}
    for name in ("clinical", "test", "therapy", "referral"):
        assert {(row["patid"], row["consid"]) for row in flawed.rows(name)} <= consultations
    additional = Counter(
        (row["patid"], row["enttype"], row["adid"]) for row in flawed.rows("additional")
    )
    assert set(additional.values()) == {1}
    measured = {
        (row["patid"], row["enttype"], row["adid"])
        for row in flawed.rows("clinical")
        if row["adid"] != "0"
    }
    assert measured == set(additional)


def test_most_clinical_rows_have_codes_of_no_list(flawed: Delivery) -> None:
    listed = set(read_lists(flawed.folder / "caliber").medcodes["medcode"].cast(pl.String))
    rows = flawed.rows("clinical")
    assert 0.7 < sum(row["medcode"] not in listed for row in rows) / len(rows) < 0.95


def test_only_children_have_a_month_of_birth(clean: Delivery, block: Block) -> None:
    practices = {row["pracid"]: day(row["lcd"]) for row in clean.rows("practice")}
    people = {row["person"]: row for row in block.people.iter_rows(named=True)}
    seen = set()
    for row in clean.rows("patient"):
        born = day_of(people[person_of(row)]["birth_day"])
        last = day(row["tod"]) if row["tod"] else practices[row["patid"][-5:]]
        child = (last - born).days < 16 * 365.25
        assert row["mob"] == (str(born.month) if child else "")
        assert row["yob"] == str(born.year)
        seen.add(child)
    assert seen == {True, False}


# ------------------------------------------------------------------------------------ content


def test_the_gp_record_has_the_diagnoses_of_the_process(clean: Delivery, block: Block) -> None:
    lists = read_lists(clean.folder / "caliber")
    diseases: dict[str, set[int]] = {}
    for medcode, disease in lists.medcodes.iter_rows():
        diseases.setdefault(str(medcode), set()).add(disease)
    listed = set(lists.medcodes["phenotype"])
    found: dict[tuple[int, date], set[int]] = {}
    for row in clean.rows("clinical"):
        if row["medcode"] in diseases:
            key = (person_of(row), day(row["eventdate"]))
            found.setdefault(key, set()).update(diseases[row["medcode"]])
    expected: dict[tuple[int, date], set[int]] = {}
    registered = block.diagnoses.filter(pl.col("setting") == 0).join(block.people, on="person")
    for row in registered.iter_rows(named=True):
        last = row["registration_end"]
        inside = row["registration_start"] <= row["day"] and (last is None or row["day"] <= last)
        if inside and row["disease"] in listed:
            key = (row["person"], day_of(row["day"]))
            expected.setdefault(key, set()).add(row["disease"])
    assert found.keys() == expected.keys()
    assert all(found[key] >= expected[key] for key in expected)
    more = sum(len(found[key] - expected[key]) for key in expected)
    assert 0 < more < 0.05 * sum(map(len, expected.values()))  # codes of two diseases


def test_every_contact_is_a_consultation(clean: Delivery, block: Block) -> None:
    found = {(person_of(row), day(row["eventdate"])) for row in clean.rows("consultation")}
    contacts = {(person, day_of(number)) for person, number in block.contacts.iter_rows()}
    assert contacts <= found
    assert len(found) == len(clean.rows("consultation"))


def test_hes_has_the_spells_of_linked_patients_within_its_coverage(
    clean: Delivery, block: Block
) -> None:
    linked = {person_of(row) for row in clean.rows("linkage_eligibility") if row["hes_e"] == "1"}
    expected = Counter(
        (row["person"], day_of(row["admitted_day"]), day_of(row["discharged_day"]))
        for row in block.admissions.iter_rows(named=True)
        if row["person"] in linked
        and HES_COVERAGE[0] <= day_of(row["admitted_day"]) <= HES_COVERAGE[1]
    )
    rows = clean.rows("hes_hospital")
    found = Counter((person_of(r), day(r["admidate"]), day(r["discharged"])) for r in rows)
    assert found == expected
    assert {r["patid"] for r in rows} == {r["patid"] for r in clean.rows("hes_patient")}
    assert len({(r["patid"], r["spno"]) for r in rows}) == len(rows)


def test_hes_has_the_diagnoses_of_the_process(clean: Delivery, block: Block) -> None:
    lists = read_lists(clean.folder / "caliber")
    diseases: dict[str, set[int]] = {}
    for icd, disease in lists.icd.iter_rows():
        diseases.setdefault(icd, set()).add(disease)
    found: dict[tuple[int, date], set[int]] = {}
    for row in clean.rows("hes_diagnosis_hosp"):
        assert re.fullmatch(r"[A-Z]\d\d(\.\d)?", row["icd"])
        assert re.fullmatch(r"\d?", row["icdx"])
        bare = row["icd"].replace(".", "")
        key = (person_of(row), day(row["admidate"]))
        names = diseases.get(bare, set()) | diseases.get(bare[:3], set())
        found.setdefault(key, set()).update(names)
    recorded = 0
    for row in block.diagnoses.filter(pl.col("setting") == 1).iter_rows(named=True):
        key = (row["person"], day_of(row["day"]))
        if key in found:
            recorded += 1
            assert row["disease"] in found[key]
    more = sum(map(len, found.values())) - recorded
    assert 0 < more < 0.1 * recorded


def test_hospital_tables_agree(flawed: Delivery) -> None:
    spells = {(row["patid"], row["spno"]): row for row in flawed.rows("hes_hospital")}
    by_spell: dict[tuple[str, str], list[Row]] = {}
    for row in flawed.rows("hes_diagnosis_hosp"):
        by_spell.setdefault((row["patid"], row["spno"]), []).append(row)
    assert by_spell.keys() == spells.keys()
    primary = flawed.rows("hes_primary_diag_hosp")
    assert len(primary) == len(spells)
    for row in primary:
        key = (row["patid"], row["spno"])
        assert (row["icd_primary"], row["icdx"]) == (
            by_spell[key][0]["icd"],
            by_spell[key][0]["icdx"],
        )
    episodes = {
        (row["patid"], row["spno"], row["epikey"]): row for row in flawed.rows("hes_episodes")
    }
    per_episode: dict[tuple[str, str, str], list[Row]] = {}
    by_episode: Counter[tuple[str, str, str]] = Counter()
    for row in flawed.rows("hes_diagnosis_epi"):
        key = (row["patid"], row["spno"], row["epikey"])
        per_episode.setdefault(key, []).append(row)
        by_episode[row["patid"], row["spno"], row["icd"]] += 1
    assert by_episode == Counter(
        (row["patid"], row["spno"], row["icd"]) for rows in by_spell.values() for row in rows
    )
    for key, rows in per_episode.items():
        assert [row["d_order"] for row in rows] == [str(i + 1) for i in range(len(rows))]
        assert rows[0]["epistart"] == episodes[key]["epistart"]
        assert rows[0]["epiend"] == episodes[key]["epiend"]
    for (patid, spno, _), row in episodes.items():
        spell = spells[patid, spno]
        assert day(spell["admidate"]) <= day(row["epistart"])
        assert row["discharged"] == spell["discharged"]
        if spell["discharged"]:
            assert day(row["epistart"]) <= day(row["epiend"]) <= day(spell["discharged"])


def test_a_stay_up_to_the_day_of_death_ends_in_death(clean: Delivery, block: Block) -> None:
    deaths = block.people.drop_nulls("death_day").select("person", "death_day")
    died = {(person, day_of(number)) for person, number in deaths.iter_rows()}
    ends = Counter(
        ((person_of(row), day(row["discharged"])) in died, row["disdest"], row["dismeth"])
        for row in clean.rows("hes_hospital")
    )
    assert ends.keys() == {(True, "79", "4"), (False, "19", "1")}


def test_ons_deaths_are_the_deaths_of_linked_patients(clean: Delivery, block: Block) -> None:
    linked = {person_of(r) for r in clean.rows("linkage_eligibility") if r["death_e"] == "1"}
    expected = {
        row["person"]: day_of(row["death_day"])
        for row in block.people.drop_nulls("death_day").iter_rows(named=True)
        if row["person"] in linked
        and ONS_COVERAGE[0] <= day_of(row["death_day"]) <= ONS_COVERAGE[1]
    }
    rows = clean.rows("death_patient")
    assert {person_of(row): day(row["dod"]) for row in rows} == expected
    assert {row["match_rank"] for row in rows} == {"1", "2"}
    gp = {person_of(row): row for row in clean.rows("patient")}
    for person, died in expected.items():
        assert gp[person]["deathdate"] in ("", died.strftime("%d/%m/%Y"))


def test_the_truth_has_the_state_of_the_process(clean: Delivery, block: Block) -> None:
    people = pl.read_parquet(clean.folder / "people.parquet")
    assert people.select(block.people.columns).equals(block.people)
    assert set(people["patid"]) == {int(row["patid"]) for row in clean.rows("patient")}
    linked = {int(r["patid"]) for r in clean.rows("linkage_eligibility") if r["hes_e"] == "1"}
    assert set(people.filter("linked")["patid"]) == linked
    onsets = pl.read_parquet(clean.folder / "onsets.parquet")
    assert onsets.select(block.onsets.columns).equals(block.onsets)
    due = onsets.select("person", "disease", day="recorded").explode("day").drop_nulls()
    expected = block.diagnoses.filter(pl.col("reason") == DUE).select("person", "disease", "day")
    assert due.sort(pl.all()).equals(expected.sort(pl.all()))


# -------------------------------------------------------------------------------------- flaws


def share(part: int, whole: int, expected: float) -> None:
    """Assert that part / whole is `expected`, within four standard errors."""
    assert whole * expected > 20, "too few rows"
    assert abs(part / whole - expected) < 4 * (expected / whole) ** 0.5


# High enough to be measured in a small delivery.
MANY = Flaws(
    unacceptable=0.2,
    not_linkable=0.3,
    before_registration=0.5,
    after_registration=0.6,
    after_collection=0.03,
    missing_date=0.05,
    no_medcode=0.06,
    duplicate=0.07,
    no_icd=0.2,
    unfinished=0.15,
    outside_coverage=0.4,
    late_gp_death=0.5,
    ons_death_shifted=0.4,
    weak_match=0.3,
)


@pytest.fixture(scope="module")
def many(world: World, tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return write(world, tmp_path_factory.mktemp("many"), MANY)


def test_without_flaws_there_are_none(clean: Delivery) -> None:
    assert {row["accept"] for row in clean.rows("patient")} == {"1"}
    clinical = clean.rows("clinical")
    assert all(row["eventdate"] and row["medcode"] != "0" for row in clinical)
    consultations = [tuple(row.values()) for row in clean.rows("consultation")]
    assert len(set(consultations)) == len(consultations)
    assert all(row["discharged"] for row in clean.rows("hes_hospital"))


def test_flaws_of_patients_occur_at_their_shares(many: Delivery, world: World) -> None:
    patients = many.rows("patient")
    share(sum(row["accept"] == "0" for row in patients), len(patients), MANY.unacceptable)
    bad = [row for row in patients if row["accept"] == "0"]
    assert {row["gender"] for row in bad} > {"1", "2"}
    assert any(not row["crd"] for row in bad)
    assert all(row["gender"] in "12" and row["crd"] for row in patients if row not in bad)
    practices = {
        str(20_000 + row["practice"]): row for row in world.practices.iter_rows(named=True)
    }
    assert {row["region"] <= 10 for row in practices.values()} == {True, False}
    assert {row["linked"] for row in practices.values() if row["region"] <= 10} == {True, False}
    eligible = many.rows("linkage_eligibility")
    assert {row["patid"] for row in eligible} == {
        row["patid"] for row in patients if practices[row["patid"][-5:]]["region"] <= 10
    }
    consenting = [row for row in eligible if practices[row["pracid"]]["linked"]]
    share(sum(row["hes_e"] == "0" for row in consenting), len(consenting), MANY.not_linkable)
    assert all(row["hes_e"] == "0" for row in eligible if row not in consenting)


def test_flaws_of_rows_occur_at_their_shares(many: Delivery) -> None:
    for name in ("clinical", "consultation"):
        rows = many.rows(name)
        share(sum(not row["eventdate"] for row in rows), len(rows), MANY.missing_date)
        again = sum(row == before for row, before in zip(rows[1:], rows, strict=False))
        share(again, len(rows) - again, MANY.duplicate)
        assert all(row["sysdate"] for row in rows)
    rows = many.rows("clinical")
    share(sum(row["medcode"] == "0" for row in rows), len(rows), MANY.no_medcode)
    closes = {row["pracid"]: day(row["lcd"]) for row in many.rows("practice")}
    dated = [row for row in rows if row["eventdate"]]
    late = sum(day(row["eventdate"]) > closes[row["patid"][-5:]] for row in dated)
    share(late, len(dated), MANY.after_collection)


def test_diagnoses_outside_registration_occur_at_their_shares(
    world: World, block: Block, tmp_path: Path
) -> None:
    flaws = Flaws(
        **{**NO_FLAWS.model_dump(), "before_registration": 0.5, "after_registration": 0.6}
    )
    made = write(world, tmp_path, flaws)
    listed = set(read_lists(tmp_path / "caliber").medcodes["medcode"].cast(pl.String))
    patients = by_patient(made.rows("patient"))
    consulted = {person_of(row) for row in made.rows("consultation")}
    before = after = 0
    for row in made.rows("clinical"):
        patient = patients[row["patid"]]
        if row["medcode"] in listed:
            before += day(row["eventdate"]) < day(patient["crd"])
            after += bool(patient["tod"]) and day(row["eventdate"]) > day(patient["tod"])
    coded = set(read_codes(tmp_path / "codes.parquet").drop_nulls("medcode")["disease"])
    gp = block.diagnoses.filter((pl.col("setting") == 0) & pl.col("disease").is_in(coded))
    gp = gp.join(block.people, on="person")
    early = gp.filter(
        (pl.col("day") < pl.col("registration_start")) & pl.col("person").is_in(consulted)
    )
    share(before, early.height, flaws.before_registration)
    late = gp.filter(pl.col("day") > pl.col("registration_end")).height
    share(after, late, flaws.after_registration)


def test_flaws_of_hospital_records_occur_at_their_shares(many: Delivery, block: Block) -> None:
    spells = many.rows("hes_hospital")
    share(sum(not row["discharged"] for row in spells), len(spells), MANY.unfinished)
    assert all(not row["duration"] for row in spells if not row["discharged"])
    missing = sum(row["icd"] == "-." for row in many.rows("hes_diagnosis_hosp"))
    share(missing, len(spells), MANY.no_icd)
    linked = {person_of(r) for r in many.rows("linkage_eligibility") if r["hes_e"] == "1"}
    outside = sum(
        row["person"] in linked
        and not HES_COVERAGE[0] <= day_of(row["admitted_day"]) <= HES_COVERAGE[1]
        for row in block.admissions.iter_rows(named=True)
    )
    stray = sum(not HES_COVERAGE[0] <= day(r["admidate"]) <= HES_COVERAGE[1] for r in spells)
    share(stray, outside, MANY.outside_coverage)


def test_flaws_of_deaths_occur_at_their_shares(many: Delivery, block: Block) -> None:
    died = {
        row["person"]: day_of(row["death_day"])
        for row in block.people.drop_nulls("death_day").iter_rows(named=True)
    }
    rows = many.rows("death_patient")
    off = [abs((day(row["dod"]) - died[person_of(row)]).days) for row in rows]
    assert max(off) <= 5
    share(sum(days > 0 for days in off), len(off), MANY.ons_death_shifted)
    share(sum(row["match_rank"] > "2" for row in rows), len(rows), MANY.weak_match)
    known = [row for row in many.rows("patient") if row["deathdate"]]
    late = sum(day(row["deathdate"]) > died[person_of(row)] for row in known)
    share(late, len(known), MANY.late_gp_death)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_flaw_that_is_not_a_share_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="duplicate"):
        read(Flaws, {"duplicate": value})


# ------------------------------------------------------------------------------------- writing


def test_the_same_seed_gives_the_same_bytes(world: World, flawed: Delivery, tmp_path: Path) -> None:
    again = write(make_world(PRACTICES, SEED), tmp_path, Flaws())
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        path.relative_to(flawed.folder) for path in flawed.folder.rglob("*") if path.is_file()
    }
    for path in files:
        assert (tmp_path / path).read_bytes() == (flawed.folder / path).read_bytes(), path
    assert again.rows("patient") == flawed.rows("patient")


def test_parts_and_blocks_join(
    world: World, clean: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PEOPLE_PER_BLOCK", 60)
    codes = clean.folder / "codes.parquet"
    folders = []
    for part, (first, count) in enumerate([(1, 100), (101, 50)]):
        folder = tmp_path / str(part)
        write_people(world, codes, folder, PersonRange(first, count))
        assert [person_of(row) for row in Delivery(folder).rows("patient")] == list(
            range(first, first + count)
        )
        people = pl.read_parquet(folder / "people.parquet")
        assert people["person"].to_list() == list(range(first, first + count))
        assert (people["patid"] // 100_000 == people["person"]).all()
        folders.append(folder / "fragments")
    joined = Delivery(tmp_path)
    write_linked(folders, {name: joined.path(name) for name in linked_data.TABLES})
    for name in linked_data.TABLES:
        header, *_ = joined.content(name).splitlines(keepends=True)
        parts = [(folder / f"{name}.txt").read_bytes() for folder in folders]
        assert all(parts)
        assert joined.content(name) == header + b"".join(parts)
    patids = [int(row["patid"]) for row in joined.rows("linkage_eligibility")]
    assert patids == sorted(set(patids))


def test_a_part_that_fails_leaves_nothing(
    world: World, clean: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("stop")

    monkeypatch.setattr(linked_data, "linked_tables", fail)
    with pytest.raises(RuntimeError, match="stop"):
        write_people(world, clean.folder / "codes.parquet", tmp_path, PersonRange(1, 10))
    assert not list(tmp_path.iterdir())


@given(parts=st.integers(1, 40), more=st.integers(0, 1000))
def test_parts_have_all_people(parts: int, more: int) -> None:
    people = parts + more
    shares = [people_of_part(part, parts, people) for part in range(1, parts + 1)]
    numbers = [n for s in shares for n in range(s.first, s.first + s.count)]
    assert numbers == list(range(1, people + 1))
    assert max(s.count for s in shares) - min(s.count for s in shares) <= 1


@pytest.mark.parametrize(("part", "parts", "people"), [(0, 2, 10), (3, 2, 10), (1, 11, 10)])
def test_an_impossible_part_is_refused(part: int, parts: int, people: int) -> None:
    with pytest.raises(InputError):
        people_of_part(part, parts, people)


def test_a_delivery_can_be_coded_with_real_lists(world: World, tmp_path: Path) -> None:
    lists = Path(__file__).parents[3] / "shared" / "caliber"
    if not lists.is_dir():
        pytest.skip("no copy of CALIBER's repository in ../shared/caliber")
    made = write(world, tmp_path, Flaws(), lists)
    assert not (tmp_path / "caliber").exists()
    listed = read_lists(lists)
    medcodes = set(listed.medcodes["medcode"].cast(pl.String))
    rows = made.rows("clinical")
    assert 0.05 < sum(row["medcode"] in medcodes for row in rows) / len(rows) < 0.3
    icds = set(listed.icd["icd"])
    rows = made.rows("hes_diagnosis_hosp")
    bare = [row["icd"].replace(".", "") for row in rows]
    assert 0.4 < sum(code in icds or code[:3] in icds for code in bare) / len(rows) < 0.95
