"""The registry of delivered tables, and every table in every layout."""

from pathlib import Path

import polars as pl
import pytest
from layouts import LAYOUTS, Layout, write

from behrt.cprd.databases import DATABASES, GOLD
from behrt.cprd.delivery import find_parts
from behrt.cprd.extraction import extract_part
from behrt.cprd.layout import read_registry

VALUES = {
    "id": ("31120001", "7120001"),
    "integer": ("1", "2"),
    "year": ("184", "99"),
    "date": ("28/02/1999", "31/12/2001"),
    "text": ("a", "b"),
}


def test_headers_seen_in_deliveries_are_in_the_registry() -> None:
    for source_table, header in {
        "clinical": "patid eventdate sysdate constype consid medcode staffid episode enttype adid",
        "practice": "pracid region lcd uts",
        "patient": "patid vmid gender yob mob marital famnum CHSreg CHSdate prescr capsup frd crd "
        "regstat reggap internal tod toreason deathdate accept",
        "linkage_eligibility": "patid pracid linkdate hes_e death_e cr_e minap_e lsoa_e",
        "hes_diagnosis_hosp": "patid spno admidate discharged ICD ICDx",
    }.items():
        assert tuple(header.split()) in GOLD.source_tables[source_table].generations.values()


def test_every_generation_of_every_table_is_in_a_layout_that_is_tested() -> None:
    generations = {
        (database.name, name, generation)
        for database in DATABASES.values()
        for name, source_table in database.source_tables.items()
        for generation in source_table.generations
        if database is GOLD or name not in GOLD.others
    }
    tested = {
        (layout.database, name, layout.generation(name))
        for layout in LAYOUTS
        for name in layout.source_tables
        if layout.database == GOLD.name or name not in GOLD.others
    }
    assert tested == generations


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_table_says_the_same_in_every_layout(tmp_path: Path, layout: Layout) -> None:
    expected = {}
    database = DATABASES[layout.database]
    for source_table in layout.source_tables.values():
        rows = [
            {name: VALUES[kind][index] for name, kind in source_table.types.items()}
            for index in (0, 1)
        ]
        name = (
            f"x_Extract_{source_table.name}_001.zip"
            if source_table.name in database.numbered
            else f"{source_table.name}.txt"
        )
        write(layout, tmp_path / "delivery" / name, source_table.name, rows)
        expected[source_table.name] = rows
    parts = find_parts(tmp_path / "delivery", database=layout.database)
    assert [part.source_table for part in parts] == sorted(layout.source_tables)
    for part in parts:
        source_table = layout.source_tables[part.source_table]
        path = tmp_path / "rows.parquet"
        manifest = extract_part(
            part.path, part.member, source_table, path, shards=1, maximum_refused=0, batch_bytes=50
        )
        assert manifest["generation"] == layout.generation(part.source_table)
        assert manifest["unknown_columns"] == manifest["absent_columns"] == []
        written = layout.format_of(part.source_table)
        for code, word in {"%d": "DD", "%m": "MM", "%Y": "YYYY"}.items():
            written = written.replace(code, word)
        dates = [name for name, kind in source_table.types.items() if kind == "date"]
        assert {manifest["formats"][name] for name in dates} <= {written}
        frame = pl.read_parquet(path)
        again = len(frame) - 2
        assert again == (2 if layout.deaths_again and part.source_table == "death_patient" else 0)
        for name, kind in source_table.types.items():
            first, second = (row[name] for row in expected[part.source_table])
            column = frame[name]
            if kind == "date":
                column = column.dt.to_string("%d/%m/%Y")
            elif kind == "year":
                column = column - 1800
            assert {first, second} <= set(column.cast(pl.String))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('types = { patid = "id" }\nrequired = ["pat"]\ngenerations = { A = "patid" }', "pat is"),
        ('types = { patid = "id" }\nrequired = []\ngenerations = { A = "id" }', "not one column"),
        (
            'types = { patid = "id" }\nrequired = []\nrenamed = { id = "patid" }\n'
            'generations = { A = "patid id" }',
            "not one column",
        ),
    ],
)
def test_a_registry_that_contradicts_itself_is_refused(
    tmp_path: Path, entry: str, problem: str
) -> None:
    path = tmp_path / "layouts.toml"
    path.write_text(f"[gold.table]\n{entry}\n")
    with pytest.raises(ValueError, match=problem):
        read_registry(path)


def test_a_new_layout_is_new_data(tmp_path: Path) -> None:
    path = tmp_path / "layouts.toml"
    path.write_text(
        '[gold.table]\ntypes = { patid = "id" }\nrequired = ["patid"]\n'
        'renamed = { person = "patid" }\n'
        '[gold.table.generations]\nA = "patid x"\n"2030" = "Person x y"\n'
    )
    source_table = read_registry(path)["gold"]["table"]
    (tmp_path / "x.txt").write_text("person\tx\ty\n7\t1\t2\n")
    manifest = extract_part(
        tmp_path / "x.txt", None, source_table, tmp_path / "x.parquet", shards=1, maximum_refused=0
    )
    assert (manifest["generation"], manifest["columns"]) == ("2030", {"patid": "person"})
    assert pl.read_parquet(tmp_path / "x.parquet")["patid"].to_list() == [7]
