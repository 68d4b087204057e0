"""The same simulated records in both databases, read as text."""

import zipfile
from pathlib import Path

import polars as pl
import pytest

from behrt.cprd.databases import AURUM, DATABASES
from behrt.simulation.paths import IN_PARTS, ONCE
from behrt.simulation.world import make_world

from .deliveries import SEED, write_people, write_shared


def rows(path: Path) -> pl.DataFrame:
    """Return a delivered table as text."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0])
    else:
        text = path.read_bytes()
    return pl.read_csv(text, separator="\t", infer_schema=False, quote_char=None)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, pl.DataFrame]]:
    world = make_world(8, SEED)
    found = {}
    for database in DATABASES:
        folder = tmp_path_factory.mktemp(database)
        files = write_shared(world, folder, database)
        files |= write_people(world, folder / "codes.parquet", folder, 300, database=database)
        found[database] = {name: rows(path) for name, path in files.items()}
    return found


def test_every_table_has_its_layout(delivered: dict[str, dict[str, pl.DataFrame]]) -> None:
    for name in (*ONCE, *IN_PARTS["aurum"]):
        frame = delivered["aurum"][name]
        assert tuple(frame.columns) == AURUM.source_tables[name].columns
        assert frame.height
    dictionary = delivered["aurum"]["medical"]
    assert tuple(dictionary.columns) == AURUM.source_tables["emismedicaldictionary"].columns


def test_observations_are_the_rows_of_gold_with_codes_of_the_dictionary(
    delivered: dict[str, dict[str, pl.DataFrame]],
) -> None:
    gold, aurum = delivered["gold"], delivered["aurum"]
    medical = gold["medical"].select("medcode", term="desc")
    shared = ["patid", "eventdate", "medcode"]
    recorded = pl.concat(
        [gold[table].select(shared) for table in ("clinical", "test", "referral")]
    ).join(medical, on="medcode", how="left")
    words = aurum["medical"].select(medcodeid="MedCodeId", term="Term")
    observed = aurum["observation"].join(words, on="medcodeid", how="left")
    both = ["patid", "eventdate", "term"]
    assert (
        observed.select("patid", "term", eventdate="obsdate")
        .select(both)
        .sort(both)
        .equals(recorded.select(both).sort(both))
    )
    assert observed["medcodeid"].drop_nulls().str.len_chars().unique().to_list() == [18]
    assert observed["medcodeid"].null_count() == recorded.filter(medcode="0").height > 0


def test_ids_are_unique_and_references_exist(
    delivered: dict[str, dict[str, pl.DataFrame]],
) -> None:
    aurum = delivered["aurum"]
    observed = aurum["observation"].select("patid", "obsid")
    assert not observed["obsid"].is_duplicated().any()
    for table in ("problem", "referral"):
        pointing = aurum[table].select("patid", "obsid")
        assert pointing.join(observed, on=["patid", "obsid"], how="anti").is_empty()
    for table in ("patient", "observation", "consultation", "drugissue"):
        assert (aurum[table]["patid"].str.tail(5) == aurum[table]["pracid"]).all()
    assert aurum["practice"]["uts"].null_count() == aurum["practice"].height
    assert not aurum["medical"]["MedCodeId"].is_duplicated().any()
