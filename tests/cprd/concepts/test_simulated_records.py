"""A simulated delivery with all inputs, against plain Python that reads its text."""

import csv
import datetime
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stages import run_stages

from behrt.concepts import INPUTS, PREFIXES
from behrt.settings.simulation import ConceptProcess, Flaws, ProcessSettings
from behrt.simulation.code_lists import read_codes
from behrt.simulation.delivery import PersonRange, write_linked, write_part, write_world
from behrt.simulation.paths import (
    IN_PARTS,
    ONCE,
    linked_files,
    look_up_file,
    look_up_files,
    numbered_file,
)
from behrt.simulation.world import make_world

PEOPLE, SEED = 150, 3
Event = tuple[int, str, str, float | None]


def simulate(folder: Path, database: str) -> tuple[Path, Path]:
    """Write a delivery of one part with all inputs; return it and its code lists."""
    delivery, lists = folder / "delivery", folder / "lists"
    world = make_world(4, SEED)
    look_ups = {name: delivery / path for name, path in look_up_files(database, INPUTS).items()}
    linked = {name: delivery / path for name, path in linked_files(database, INPUTS).items()}
    zips = {name: delivery / numbered_file(database, name, "001") for name in ONCE}
    tables = {name: delivery / numbered_file(database, name, "001") for name in IN_PARTS[database]}
    for path in (*look_ups.values(), *linked.values(), *zips.values(), *tables.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_world(
        world,
        lists=lists,
        own_lists=True,
        **zips,
        coverage=linked.pop("linkage_coverage"),
        medical=delivery / look_up_file(database),
        codes=folder / "codes.parquet",
        graph=folder / "graph.parquet",
        diseases=folder / "diseases.parquet",
        seed=SEED,
        database=database,
        inputs=INPUTS,
        look_ups=look_ups,
    )
    write_part(
        world,
        read_codes(folder / "codes.parquet"),
        PersonRange(1, PEOPLE),
        tables=tables,
        fragments=folder / "fragments",
        people=folder / "people.parquet",
        onsets=folder / "onsets.parquet",
        settings=ProcessSettings(),
        flaws=Flaws(),
        seed=SEED,
        database=database,
        inputs=INPUTS,
        concepts=ConceptProcess(),
    )
    write_linked([folder / "fragments"], linked)
    return delivery, lists


def rows_of(delivery: Path, name: str) -> Iterator[dict[str, str]]:
    """Read a delivered table or look-up: rows by column name in lower case."""
    for path in sorted(delivery.rglob("*")):
        if name.lower() not in path.name.lower() or not path.is_file():
            continue
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                text = archive.read(archive.namelist()[0]).decode("cp1252")
        else:
            text = path.read_bytes().decode("cp1252")
        separator = "," if path.suffix == ".csv" else "\t"
        for row in csv.DictReader(io.StringIO(text), delimiter=separator, quoting=csv.QUOTE_NONE):
            yield {(key or "").lower(): (value or "").strip() for key, value in row.items()}


def day(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text, "%d/%m/%Y").date()
    except ValueError:
        return None


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def sections(text: str) -> list[str]:
    codes = [code.strip().rjust(8, "0") for code in text.split("/") if code.strip("0 ")]
    return sorted({code[:4] for code in codes if code[2:4] != "00"})


def level(text: str, low: str, high: str) -> str | None:
    value, bounds = number(text), (number(low), number(high))
    if value is None or not any(bounds):
        return None
    if bounds[0] is not None and value < bounds[0]:
        return "LOW"
    return "HIGH" if bounds[1] is not None and value > bounds[1] else "NORMAL"


def band(value: float, edges: list[float]) -> str:
    if value < edges[0]:
        return f"BELOW_{edges[0]:g}"
    last = max(edge for edge in edges if edge <= value)
    after = [edge for edge in edges if edge > value]
    return f"{last:g}-{after[0]:g}" if after else f"FROM_{last:g}"


def expected_prescriptions(delivery: Path, gold: bool) -> Iterator[tuple[Any, ...]]:
    product = "product.txt" if gold else "EMISProductDictionary"
    key, bnf = ("prodcode", "bnfcode") if gold else ("prodcodeid", "bnfchapter")
    known = {row[key]: sections(row[bnf]) for row in rows_of(delivery, product)}
    date = "eventdate" if gold else "issuedate"
    for row in rows_of(delivery, "_therapy_" if gold else "_drugissue_"):
        for section in known.get(row[key], []):
            yield row["patid"], day(row[date]), f"MEDICATION//BNF//{section}", None


def expected_procedures(delivery: Path) -> Iterator[tuple[Any, ...]]:
    for row in rows_of(delivery, "hes_procedures_epi"):
        if row["opcs"] not in ("", "-", "&"):
            date = row["evdate"] or row["epistart"] or row["admidate"]
            yield row["patid"], day(date), f"PROCEDURE//OPCS4//{row['opcs'][:3].upper()}", None


BMI_EDGES = [18.5, 25.0, 30.0, 35.0, 40.0]
PRESSURE_EDGES = [120.0, 140.0, 160.0, 180.0]


def measured(name: str, text: str) -> tuple[str, float] | None:
    value = number(text)
    limits = {"BMI": (10, 100), "BLOOD_PRESSURE": (50, 300)}[name]
    if value is None or not limits[0] <= value <= limits[1]:
        return None
    edges = BMI_EDGES if name == "BMI" else PRESSURE_EDGES
    return f"MEASUREMENT//{name}//{band(value, edges)}", value


def expected_measurements(delivery: Path, gold: bool) -> Iterator[tuple[Any, ...]]:
    if not gold:
        listed = {r["medcodeid"]: r["measurement"] for r in rows_of(delivery, "measurements.csv")}
        for row in rows_of(delivery, "_observation_"):
            what = listed.get(row["medcodeid"])
            if what is None:
                continue
            if what.startswith("SMOKING"):
                yield row["patid"], day(row["obsdate"]), f"MEASUREMENT//{what}", None
            elif found := measured(what, row["value"]):
                yield row["patid"], day(row["obsdate"]), *found
        return
    days: dict[tuple[str, str], set[datetime.date | None]] = {}
    for row in rows_of(delivery, "_clinical_"):
        days.setdefault((row["patid"], row["adid"]), set()).add(day(row["eventdate"]))
    for row in rows_of(delivery, "_additional_"):
        dated = days.get((row["patid"], row["adid"]), set()) - {None}
        date = dated.pop() if len(dated) == 1 and row["adid"] != "0" else None
        if row["enttype"] == "4" and row["data1"] in "123" and row["data1"]:
            status = {"1": "CURRENT", "2": "NEVER", "3": "EX"}[row["data1"]]
            yield row["patid"], date, f"MEASUREMENT//SMOKING//{status}", None
        elif row["enttype"] in ("1", "13"):
            name = "BMI" if row["enttype"] == "13" else "BLOOD_PRESSURE"
            text = row["data3"] if name == "BMI" else row["data2"]
            found = measured(name, text)
            above = number(row["data1"]) or 0
            if found and (name == "BMI" or found[1] > above):
                yield row["patid"], date, *found


def expected_tests(delivery: Path, gold: bool) -> Iterator[tuple[Any, ...]]:
    """Yield patient, day, test, unit and level (None where value and range do not say)."""
    if gold:
        names = {row["enttype"]: row["description"] for row in rows_of(delivery, "entity.txt")}
        units = {row["sum"]: row["description"] for row in rows_of(delivery, "SUM.txt")}
        for row in rows_of(delivery, "_test_"):
            exact = row["data1"] in ("", "0", "3")
            found = level(row["data2"], row["data5"], row["data6"]) if exact else None
            unit = units.get(row["data3"], "")
            name = names.get(row["enttype"])
            yield row["patid"], day(row["eventdate"]), name, unit, found
        return
    names = {row["medcodeid"]: row["test"] for row in rows_of(delivery, "tests.csv")}
    units = {row["numunitid"]: row["description"] for row in rows_of(delivery, "NumUnit")}
    for row in rows_of(delivery, "_observation_"):
        if row["medcodeid"] in names:
            found = level(row["value"], row["numrangelow"], row["numrangehigh"])
            unit = units.get(row["numunitid"], "")
            yield row["patid"], day(row["obsdate"]), names[row["medcodeid"]], unit, found


@pytest.mark.parametrize("database", ["gold", "aurum"])
def test_a_simulated_delivery_is_read_as_plain_python_reads_it(
    tmp_path: Path, database: str
) -> None:
    gold = database == "gold"
    delivery, lists = simulate(tmp_path, database)
    out = tmp_path / "out"
    concepts = {
        name: {"codes": str(delivery / f"lookups/{name}.csv")}
        for name in ("tests", "measurements")
        if not gold
    }
    run_stages(
        delivery,
        lists,
        out,
        2,
        {"minimum_visits": 1},
        database=database,
        inputs=INPUTS,
        concepts=concepts,
    )
    cohort = pl.read_parquet(out / "cohort/cohort.parquet")
    window = {
        str(row["subject_id"]): (row["follow_up_start"], row["follow_up_end"])
        for row in cohort.to_dicts()
    }

    def followed(patid: str, date: datetime.date | None) -> bool:
        start, end = window.get(patid, (None, None))
        return date is not None and start is not None and start <= date <= end

    data = pl.concat(pl.read_parquet(path) for path in sorted(out.glob("meds/data/*.parquet")))
    made: dict[str, set[Event]] = {}
    for name, prefix in PREFIXES.items():
        rows = data.filter(pl.col("code").str.starts_with(prefix))
        columns = ["subject_id", pl.col("time").dt.date().cast(pl.String), "code", "numeric_value"]
        made[name] = {
            (patid, date, code, None if value is None else round(value, 2))
            for patid, date, code, value in rows.select(columns).rows()
        }
    for name, expected in {
        "medications": expected_prescriptions(delivery, gold),
        "procedures": expected_procedures(delivery),
        "measurements": expected_measurements(delivery, gold),
    }.items():
        assert made[name] == {
            (int(patid), str(date), code, None if value is None else round(value, 2))
            for patid, date, code, value in expected
            if followed(patid, date)
        }, name
        assert made[name], name
    tested = {event[:3] for event in made["tests"]}
    records = list(expected_tests(delivery, gold))
    recorded = Counter((name, unit) for _, _, name, unit, _ in records if unit)
    usual = {name: unit for (name, unit), _ in reversed(recorded.most_common())}
    levels = {
        (int(patid), str(date), f"TEST//{name}//{found}")
        for patid, date, name, unit, found in records
        if followed(patid, date) and found and unit == usual.get(name)
    }
    known = {event[2].split("//")[1] for event in tested}
    assert len(known) > 15
    # the others are not plausible, or in GOLD have no entity type of their own
    missing = {event for event in levels if event[2].split("//")[1] in known} - tested
    assert len(missing) <= 0.01 * len(levels)
    # the others follow from a qualifier, a bound, or another unit of the test
    more = {event for event in tested if not event[2].endswith("//DONE")} - levels
    assert len(more) <= 0.1 * len(tested)
