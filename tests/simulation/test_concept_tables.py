"""Inputs beyond diagnoses as delivered text: rows, look-ups and flaws, in both databases."""

from pathlib import Path

import polars as pl
import pytest

from behrt.caliber.lists import read_lists
from behrt.concepts import INPUTS
from behrt.cprd.databases import DATABASES
from behrt.cprd.layout import LINKED
from behrt.settings.simulation import ConceptProcess, Flaws
from behrt.simulation import linked_data
from behrt.simulation.delivery import write_linked
from behrt.simulation.paths import IN_PARTS
from behrt.simulation.world import World, make_world

from .deliveries import write_people, write_shared
from .test_aurum import rows

PEOPLE = 500
NO_FLAWS = Flaws(**dict.fromkeys(Flaws.model_fields, 0.0))
EXACT = ConceptProcess(
    no_value=0,
    no_range=0,
    unknown_unit=0,
    unknown_product=0,
    outside_registration=0,
    no_procedure=0,
)
Tables = dict[str, pl.DataFrame]


def deliver(
    world: World, folder: Path, database: str, inputs: tuple[str, ...], *exact: object
) -> Tables:
    """Return the tables and look-ups of a delivery, as text."""
    flaws, concepts = (NO_FLAWS, EXACT) if exact else (Flaws(), ConceptProcess())
    files = write_shared(world, folder, database, inputs=inputs)
    files |= write_people(
        world, folder / "codes.parquet", folder, PEOPLE, flaws, database, inputs, concepts
    )
    linked = {name: folder / f"{name}.txt" for name in linked_data.tables_of(inputs)}
    write_linked([folder / "fragments"], linked)
    found = {name: rows(path) for name, path in (files | linked).items() if path.suffix != ".csv"}
    lists = {
        name: pl.read_csv(path, infer_schema=False)
        for name, path in files.items()
        if path.suffix == ".csv"
    }
    return found | lists


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(8, 11)


@pytest.fixture(scope="module")
def plain(world: World, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return deliver(world, tmp_path_factory.mktemp("plain"), "gold", ("diagnoses",))


@pytest.fixture(scope="module")
def gold(world: World, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return deliver(world, tmp_path_factory.mktemp("gold"), "gold", INPUTS)


@pytest.fixture(scope="module")
def exact(world: World, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return deliver(world, tmp_path_factory.mktemp("exact"), "gold", INPUTS, True)


@pytest.fixture(scope="module")
def aurum(world: World, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return deliver(world, tmp_path_factory.mktemp("aurum"), "aurum", INPUTS, True)


def test_diagnoses_are_the_same_with_other_inputs(plain: Tables, gold: Tables) -> None:
    for name in linked_data.TABLES:
        assert plain[name].equals(gold[name])
    assert plain["patient"].equals(gold["patient"])
    assert plain["referral"].equals(gold["referral"])
    shared = [name for name in plain["clinical"].columns if name not in ("enttype", "adid")]
    markers = gold["medical"].filter(pl.col("medcode").cast(pl.Int64) > 900_000)["medcode"]
    added = gold["clinical"].filter(pl.col("medcode").is_in(markers.implode()))
    others = gold["clinical"].join(added, on=gold["clinical"].columns, how="anti", nulls_equal=True)
    assert plain["clinical"].select(shared).sort(shared).equals(others.select(shared).sort(shared))
    consultations = plain["consultation"].columns
    missing = plain["consultation"].join(
        gold["consultation"], on=consultations, how="anti", nulls_equal=True
    )
    assert missing.is_empty()


@pytest.mark.parametrize("database", ["gold", "aurum"])
def test_the_tables_have_their_layouts(database: str, request: pytest.FixtureRequest) -> None:
    found: Tables = request.getfixturevalue(database)
    layouts = DATABASES[database].source_tables
    for name in IN_PARTS[database]:
        assert tuple(found[name].columns) == layouts[name].columns
        assert found[name].height
    procedures = found["hes_procedures_epi"]
    assert tuple(procedures.columns) == LINKED["hes_procedures_epi"].columns


def test_rows_of_gold_point_at_consultations_and_look_ups(exact: Tables) -> None:
    visits = exact["consultation"].select("patid", "consid", day="eventdate")
    for name in ("therapy", "test"):
        on_a_visit = exact[name].join(visits, on=["patid", "consid"], how="left")
        assert (on_a_visit["eventdate"] == on_a_visit["day"]).all()
    assert not visits.select("patid", "consid").is_duplicated().any()
    assert exact["therapy"].join(exact["product"], on="prodcode", how="anti").is_empty()
    for name in ("test", "additional"):
        assert exact[name].join(exact["entity"], on="enttype", how="anti").is_empty()
    units = exact["SUM"].select(data3="SUM", unit="Description")
    named = exact["test"].join(units, on="data3", how="left")
    assert named["unit"].null_count() == 0
    assert named.filter(enttype="275")["unit"].unique().to_list() == ["mmol/mol"]
    assert exact["test"].join(exact["medical"], on="medcode", how="anti").is_empty()


def test_measurements_are_pointed_at_by_clinical_rows(exact: Tables) -> None:
    key = ["patid", "adid", "enttype"]
    pointing = exact["clinical"].filter(pl.col("adid") != "0").select(key)
    assert pointing.sort(key).equals(exact["additional"].select(key).sort(key))
    pressure = exact["additional"].filter(enttype="1").select("data1", "data2").cast(pl.Float64)
    assert (pressure["data1"] < pressure["data2"]).mean() > 0.98
    assert set(exact["additional"].filter(enttype="4")["data1"]) == {"1", "2", "3"}
    size = exact["additional"].filter(enttype="13").select("data1", "data3").cast(pl.Float64)
    assert size["data3"].is_between(12, 60).all()


def test_values_have_the_normal_ranges_of_the_sex(exact: Tables) -> None:
    sexed = exact["test"].join(exact["patient"].select("patid", "gender"), on="patid")
    haemoglobin = sexed.filter(enttype="173")
    ranges = haemoglobin.select("gender", "data5", "data6").unique().sort("gender").rows()
    assert ranges == [("1", "130", "170"), ("2", "115", "160")]
    open_ended = sexed.filter(enttype="466")
    assert open_ended["data6"].null_count() == open_ended.height
    largest = open_ended.filter(data1="2")["data2"].unique().to_list()
    assert largest == ["90"]
    assert not sexed.filter(enttype="276", gender="2").height


def test_procedures_are_in_spells_that_exist(exact: Tables) -> None:
    procedures = exact["hes_procedures_epi"]
    spells = exact["hes_hospital"].select("patid", "spno", "admidate", "discharged")
    found = procedures.join(spells, on=["patid", "spno"], how="left")
    assert (found["admidate"] == found["admidate_right"]).all()
    assert procedures["OPCS"].str.contains("^[A-Z][0-9]{3}$").all()
    episodes = exact["hes_episodes"].select("patid", "epikey")
    assert procedures.join(episodes, on=["patid", "epikey"], how="anti").is_empty()
    order = procedures.select("patid", "epikey", "p_order")
    assert not order.is_duplicated().any()


@pytest.mark.parametrize("inputs", [("diagnoses",), INPUTS])
def test_the_lists_of_diseases_are_the_same(
    world: World, tmp_path: Path, inputs: tuple[str, ...]
) -> None:
    write_shared(world, tmp_path, inputs=inputs)
    lists = read_lists(tmp_path / "caliber")
    assert lists.phenotypes.height == len(world.diseases)
    opcs = sorted(path.name for path in (tmp_path / "caliber" / "secondary_care").glob("OPCS_*"))
    assert ("OPCS_cataract.csv" in opcs) == ("procedures" in inputs)


def test_aurum_has_the_rows_of_gold(exact: Tables, aurum: Tables) -> None:
    assert exact["therapy"].height == aurum["drugissue"].height
    products = aurum["product"].select(prodcodeid="ProdCodeId", substance="DrugSubstanceName")
    issued = aurum["drugissue"].join(products, on="prodcodeid", how="left")
    named = exact["therapy"].join(exact["product"], on="prodcode")["drugsubstance"]
    assert issued["substance"].sort().equals(named.sort().alias("substance"))
    coded = aurum["observation"].join(aurum["tests"], left_on="medcodeid", right_on="medcodeid")
    entities = exact["entity"].select("enttype", test="description")
    tested = exact["test"].join(entities, on="enttype").select("patid", "test", value="data2")
    both = ["patid", "test", "value"]
    assert coded.select(both).sort(both).equals(tested.select(both).sort(both))
    units = coded.join(aurum["NumUnit"], on="numunitid", how="left")
    assert units["Description"].null_count() == 0

    measured = aurum["observation"].join(aurum["measurements"], on="medcodeid")
    counts = dict(measured.group_by("measurement").len().iter_rows())
    kinds = dict(exact["additional"].group_by("enttype").len().iter_rows())
    assert counts["BMI"] == kinds["13"]
    assert counts["BLOOD_PRESSURE"] == kinds["1"]
    smoking = [counts[f"SMOKING//{status}"] for status in ("CURRENT", "EX", "NEVER")]
    assert sum(smoking) == kinds["4"]


def test_flaws_are_as_frequent_as_configured(gold: Tables) -> None:
    settings, flaws = ConceptProcess(), Flaws()
    therapy, test = gold["therapy"], gold["test"]
    unknown = therapy.join(gold["product"], on="prodcode", how="anti")
    assert unknown.height / therapy.height == pytest.approx(settings.unknown_product, rel=0.3)
    assert test["data2"].null_count() / test.height == pytest.approx(settings.no_value, rel=0.2)
    undated = test["eventdate"].null_count() / test.height
    assert undated == pytest.approx(flaws.missing_date, rel=0.4)
    assert test.is_duplicated().sum() / test.height == pytest.approx(2 * flaws.duplicate, rel=0.3)
    no_unit = test.filter(pl.col("data2").is_not_null(), pl.col("data3") == "0")
    assert no_unit.height / test.height == pytest.approx(settings.unknown_unit / 2, rel=0.3)
    missing = gold["hes_procedures_epi"].filter(OPCS=linked_data.NO_OPCS)
    assert missing.height > 0
