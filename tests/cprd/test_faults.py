"""Every fault has its outcome: one clear error, or counted refusals; no row is lost."""

import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from faults import (
    FAULTS,
    PATIDS,
    Delivery,
    Fault,
    page,
    write_aurum_delivery,
    write_delivery,
)

from behrt.caliber.snomed import read_snomed
from behrt.configuration import options_for, read
from behrt.cprd.cohort import CohortSources, add_flows, select_cohort
from behrt.cprd.databases import DATABASES
from behrt.cprd.delivery import DeliveredPart, find_parts, require
from behrt.cprd.events import EventSources, make_events
from behrt.cprd.extraction import extract_part
from behrt.cprd.medical_dictionary import map_medcodes
from behrt.cprd.values import Options
from behrt.diagnosis_outcomes import require_mapped
from behrt.errors import InputError
from behrt.settings.delivery import CohortRules

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
DATE = re.compile(r"\d{2}/\d{2}/\d{4}|\d{4}[-/]\d{2}[-/]\d{2}|(?<!\d)(?:18|19|20)\d{6}(?!\d)")


@dataclass
class Outcome:
    """The outcome of a delivery."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    flow: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    events: pl.DataFrame = field(default_factory=pl.DataFrame)


@pytest.fixture(scope="session")
def defaults() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    config |= {"source": "cprd", "caliber": "lists", "delivery": {"folder": "delivery"}}
    config |= {"extract": {"maximum_refused": 0.5}, "cohort": {}}
    return read(config, SCHEMA)


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    pl.DataFrame(
        {"index": [0], "phenotype": ["Gout"], "chapter": ["Joints"], "code": ["CALIBER//Gout"]},
        schema_overrides={"index": pl.Int16},
    ).write_parquet(folder / "phenotypes.parquet")
    for name, code in {"medcode": 7, "icd": "M10", "read": "C34..00"}.items():
        pl.DataFrame(
            {name: [code], "phenotype": [0]}, schema_overrides={"phenotype": pl.Int16}
        ).write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Delivery]:
    return {
        "gold": write_delivery(tmp_path_factory.mktemp("sound")),
        "aurum": write_aurum_delivery(tmp_path_factory.mktemp("sound")),
    }


def settings(defaults: dict[str, Any], fault: Fault, folder: Path) -> dict[str, Any]:
    config = defaults | {"database": fault.database}
    config |= {"delivery": {"folder": str(folder), "files": {}, "without": []}}
    for section, values in fault.config.items():
        config[section] = config[section] | values if isinstance(values, Mapping) else values
    return config


def rows_in(part: DeliveredPart) -> int:
    """Count the rows of a part, independently of how it is read."""
    if part.member is None:
        text = part.path.read_bytes()
    else:
        with zipfile.ZipFile(part.path) as archive:
            text = archive.read(part.member)
    return sum(1 for line in text.split(b"\n")[1:] if line.strip(b"\r"))


def run(config: dict[str, Any], lists: Path, out: Path) -> Outcome:
    """Read a delivery as the workflow does, and count the outcome of every row."""
    config = read(config, SCHEMA)
    folder = Path(config["delivery"]["folder"])
    database = DATABASES[config["database"]]
    chosen = config["events"]["tables"]
    rules = CohortRules.model_validate(config["cohort"])
    without = config["delivery"]["without"]
    needed = database.needed(chosen, without, rules.state_coverage)
    parts = find_parts(folder, named=config["delivery"]["files"], database=database.name)
    require(parts, needed, folder, database.name)
    rows: dict[str, list[Path]] = {source_table: [] for source_table in database.source_tables}
    kept: Counter[str] = Counter()
    outcome = Outcome()
    for part in parts:
        if part.source_table not in needed:
            continue
        source_table = database.source_tables[part.source_table].without(
            database.unread(part.source_table, chosen)
        )
        path = out / part.source_table / f"{part.part}.parquet"
        manifest = extract_part(
            part.path,
            part.member,
            source_table,
            path,
            shards=1,
            maximum_refused=config["extract"]["maximum_refused"],
            options=Options.read(options_for(config["extract"], part.source_table), source_table),
        )
        assert manifest["rows_read"] == rows_in(part)
        refused = sum(manifest["rows_refused"].values())
        assert manifest["rows_read"] == manifest["rows_kept"] + refused
        assert manifest["rows_kept"] == pl.read_parquet(path).height
        assert set(manifest["first_refused"]) == set(manifest["rows_refused"])
        for reason, count in manifest["rows_refused"].items():
            outcome.refused[part.source_table, reason] += count
        kept[part.source_table] += manifest["rows_kept"]
        rows[part.source_table].append(path)
    coded, pointers = (
        [path for source_table in source_tables for path in rows[source_table]]
        for source_tables in database.diagnoses(chosen)
    )
    merged = config["aurum"]["merged_practices"]
    sources = CohortSources(
        rows["patient"],
        rows["practice"],
        rows["linkage_eligibility"],
        rows["linkage_coverage"],
        rows["death_patient"],
        [path for source_table in database.records for path in rows[source_table]],
        rows["hes_hospital"],
        hospital=rows["hes_diagnosis_hosp"],
        merged=merged and Path(merged),
        database=database,
        without=without,
    )
    cohort, flow = select_cohort(sources, 0, rules)
    cohort.write_parquet(out / "cohort.parquet")
    flow.write_parquet(out / "flow.parquet")
    total = add_flows([out / "flow.parquet"])
    outcome.flow = dict(total.select("name", "patients").iter_rows())
    events, outcomes = make_events(
        EventSources(
            out / "cohort.parquet",
            coded,
            rows["consultation"],
            rows["hes_diagnosis_hosp"],
            rows["hes_hospital"],
            medcodes_of(config, rows, lists, out),
            lists / "icd.parquet",
            lists / "phenotypes.parquet",
            pointers,
        ),
        0,
    )
    outcome.events = events
    require_mapped(outcomes, {"medcode", "icd10"})
    outcome.outcomes = dict(outcomes.group_by("outcome").agg(pl.col("rows").sum()).iter_rows())
    records = sum(kept[source_table] for source_table in database.diagnoses(chosen)[0])
    assert sum(outcome.outcomes.values()) == records + kept["hes_diagnosis_hosp"]
    return outcome


def medcodes_of(
    config: dict[str, Any], rows: dict[str, list[Path]], lists: Path, out: Path
) -> Path:
    """Return the medcodes: those of the lists, or those of Aurum's dictionary."""
    if config["database"] == "gold":
        return lists / "medcode.parquet"
    snomed = None
    if config["aurum"]["snomed"]:
        phenotypes = pl.read_parquet(lists / "phenotypes.parquet")
        snomed, _ = read_snomed(Path(config["aurum"]["snomed"]), phenotypes)
    listed = pl.read_parquet(lists / "read.parquet")
    dictionary = pl.read_parquet(rows["emismedicaldictionary"])
    pairs, _ = map_medcodes(dictionary, listed, snomed)
    pairs.write_parquet(out / "medcodes.parquet")
    return out / "medcodes.parquet"


@pytest.fixture(scope="session")
def expected(
    defaults: dict[str, Any],
    lists: Path,
    sound: dict[str, Delivery],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Outcome]:
    outcomes = {}
    for database, delivery in sound.items():
        config = settings(defaults, Fault("none", database=database), delivery.folder)
        outcome = run(config, lists, tmp_path_factory.mktemp("expected"))
        assert not outcome.refused
        assert set(outcome.flow.values()) == {len(PATIDS)}
        assert outcome.outcomes == {"mapped": 6 * len(PATIDS)}
        outcomes[database] = outcome
    return outcomes


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_its_outcome(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    defaults: dict[str, Any],
    lists: Path,
    sound: dict[str, Delivery],
    expected: dict[str, Outcome],
    fault: Fault,
) -> None:
    monkeypatch.chdir(tmp_path)
    delivery = replace(sound[fault.database], folder=tmp_path / "the folder")
    shutil.copytree(sound[fault.database].folder, delivery.folder)
    fault.spoil(delivery)
    config = settings(defaults, fault, delivery.folder)
    out = tmp_path / "out"
    if fault.error:
        with pytest.raises(InputError) as caught, fault.during(delivery):
            run(config, lists, out)
        message = str(caught.value)
        assert fault.error in message
        assert fault.where in message
        assert caught.value.fix
        left = [path.name for path in out.rglob(".*")]
        assert not left, "something half-written is left"
    else:
        with fault.during(delivery):
            outcome = run(config, lists, out)
        message = caplog.text
        assert dict(outcome.refused) == dict(fault.refused)
        if fault.step:
            before = list(outcome.flow.values())[list(outcome.flow).index(fault.step) - 1]
            assert (before, outcome.flow[fault.step]) == (len(PATIDS), len(PATIDS) - 1)
        elif fault.loss:
            assert next(iter(outcome.flow)) == f"Delivered, without {fault.loss}"
            assert set(outcome.flow.values()) == {len(PATIDS)}
        elif fault.outcomes:
            left_out = {name: rows for name, rows in outcome.outcomes.items() if name != "mapped"}
            assert left_out == dict(fault.outcomes)
        elif not fault.refused:
            usual = expected[fault.database]
            assert outcome.flow == usual.flow
            assert outcome.outcomes == usual.outcomes
            assert outcome.events.equals(usual.events)
    assert not any(str(patid) in message for patid in PATIDS)
    allowed = message.replace("31/12/9999", "")
    assert not DATE.search(allowed), message


def test_there_are_faults_enough_and_each_is_one() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    reported = [fault for fault in FAULTS if fault.error or fault.refused or fault.step]
    assert len(reported) >= 60


def test_the_manual_has_the_table() -> None:
    written = (REPOSITORY / "docs" / "faults.md").read_text(encoding="utf-8")
    assert written == page(), "python tests/cprd/faults.py > docs/faults.md"
