"""Every fault has its outcome: one clear error, or a counted refusal, and no row is lost."""

import re
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from faults import FAULTS, PATIDS, Delivery, Fault, page, write_delivery
from snakemake.utils import validate

from behrt.configuration import check, options_for
from behrt.cprd.cohort import Rules, Sources, add_flows, select_cohort
from behrt.cprd.delivery import Part, find_parts, require
from behrt.cprd.events import Sources as EventSources
from behrt.cprd.events import make_events
from behrt.cprd.extract import extract_part
from behrt.cprd.layout import TABLES
from behrt.cprd.values import Options
from behrt.errors import InputError

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
READ = (
    "patient",
    "practice",
    "consultation",
    "clinical",
    "linkage_eligibility",
    "linkage_coverage",
    "hes_hospital",
    "hes_diagnosis_hosp",
    "death_patient",
)
DATE = re.compile(r"\d{2}/\d{2}/\d{4}|\d{4}[-/]\d{2}[-/]\d{2}|(?<!\d)(?:18|19|20)\d{6}(?!\d)")


@dataclass
class Outcome:
    """What became of a delivery."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    flow: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    events: pl.DataFrame = field(default_factory=pl.DataFrame)


@pytest.fixture(scope="session")
def defaults() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    config |= {"source": "cprd", "caliber": "lists", "delivery": {"folder": "delivery"}}
    config |= {"extract": {"maximum_refused": 0.5}, "cohort": {}}
    validate(config, str(SCHEMA))
    return config


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    pl.DataFrame(
        {"index": [0], "phenotype": ["Gout"], "chapter": ["Joints"], "code": ["CALIBER//Gout"]},
        schema_overrides={"index": pl.Int16},
    ).write_parquet(folder / "phenotypes.parquet")
    for name, code in {"medcode": 7, "icd": "M10"}.items():
        pl.DataFrame(
            {name: [code], "phenotype": [0]}, schema_overrides={"phenotype": pl.Int16}
        ).write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return write_delivery(tmp_path_factory.mktemp("sound"))


def settings(defaults: dict[str, Any], fault: Fault, folder: Path) -> dict[str, Any]:
    config = defaults | {"delivery": {"folder": str(folder), "files": {}}}
    for section, values in fault.config.items():
        config[section] = config[section] | values
    return config


def rows_in(part: Part) -> int:
    """Count the rows of a part, knowing nothing of how it is read."""
    if part.member is None:
        text = part.path.read_bytes()
    else:
        with zipfile.ZipFile(part.path) as archive:
            text = archive.read(part.member)
    return sum(1 for line in text.split(b"\n")[1:] if line.strip(b"\r"))


def run(config: dict[str, Any], lists: Path, out: Path) -> Outcome:
    """Read a delivery as the workflow does, and count what becomes of every row."""
    check(config, SCHEMA)
    folder = Path(config["delivery"]["folder"])
    parts = find_parts(folder, named=config["delivery"]["files"])
    require(parts, READ, folder)
    rows: dict[str, list[Path]] = {table: [] for table in READ}
    kept: Counter[str] = Counter()
    outcome = Outcome()
    for part in parts:
        table = TABLES[part.table]
        path = out / part.table / f"{part.part}.parquet"
        manifest = extract_part(
            part.path,
            part.member,
            table,
            path,
            shards=1,
            maximum_refused=config["extract"]["maximum_refused"],
            options=Options.read(options_for(config["extract"], part.table), table),
        )
        assert manifest["rows_read"] == rows_in(part)
        refused = sum(manifest["rows_refused"].values())
        assert manifest["rows_read"] == manifest["rows_kept"] + refused
        assert manifest["rows_kept"] == pl.read_parquet(path).height
        assert set(manifest["first_refused"]) == set(manifest["rows_refused"])
        for reason, count in manifest["rows_refused"].items():
            outcome.refused[part.table, reason] += count
        kept[part.table] += manifest["rows_kept"]
        rows[part.table].append(path)
    sources = Sources(
        rows["patient"],
        rows["practice"],
        rows["linkage_eligibility"],
        rows["linkage_coverage"],
        rows["death_patient"],
        rows["consultation"] + rows["clinical"],
        rows["hes_hospital"],
    )
    cohort, flow = select_cohort(sources, 0, Rules.read(config["cohort"]))
    cohort.write_parquet(out / "cohort.parquet")
    flow.write_parquet(out / "flow.parquet")
    total = add_flows([out / "flow.parquet"])
    outcome.flow = dict(total.select("name", "patients").iter_rows())
    events, outcomes = make_events(
        EventSources(
            out / "cohort.parquet",
            rows["clinical"],
            rows["consultation"],
            rows["hes_diagnosis_hosp"],
            rows["hes_hospital"],
            lists / "medcode.parquet",
            lists / "icd.parquet",
            lists / "phenotypes.parquet",
        ),
        0,
    )
    outcome.events = events
    outcome.outcomes = dict(outcomes.group_by("outcome").agg(pl.col("rows").sum()).iter_rows())
    assert sum(outcome.outcomes.values()) == kept["clinical"] + kept["hes_diagnosis_hosp"]
    return outcome


@pytest.fixture(scope="session")
def expected(
    defaults: dict[str, Any],
    lists: Path,
    sound: Delivery,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    config = settings(defaults, Fault("none"), sound.folder)
    outcome = run(config, lists, tmp_path_factory.mktemp("expected"))
    assert not outcome.refused
    assert set(outcome.flow.values()) == {len(PATIDS)}
    assert outcome.outcomes == {"mapped": 6 * len(PATIDS)}
    return outcome


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_its_outcome(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    defaults: dict[str, Any],
    lists: Path,
    sound: Delivery,
    expected: Outcome,
    fault: Fault,
) -> None:
    monkeypatch.chdir(tmp_path)
    delivery = Delivery(tmp_path / "the folder")
    shutil.copytree(sound.folder, delivery.folder)
    fault.spoil(delivery)
    config = settings(defaults, fault, delivery.folder)
    out = tmp_path / "out"
    if fault.error:
        with pytest.raises(InputError) as caught, fault.during(delivery):
            run(config, lists, out)
        message = str(caught.value)
        assert fault.error in message
        assert fault.where in message
        assert caught.value.mend
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
        elif fault.outcomes:
            left_out = {name: rows for name, rows in outcome.outcomes.items() if name != "mapped"}
            assert left_out == dict(fault.outcomes)
        elif not fault.refused:
            assert outcome.flow == expected.flow
            assert outcome.outcomes == expected.outcomes
            assert outcome.events.equals(expected.events)
    assert not any(str(patid) in message for patid in PATIDS)
    allowed = message.replace("31/12/9999", "")
    assert not DATE.search(allowed), message


def test_there_are_faults_enough_and_each_is_one() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    told = [fault for fault in FAULTS if fault.error or fault.refused or fault.step]
    assert len(told) >= 60


def test_the_manual_has_the_table() -> None:
    written = (REPOSITORY / "docs" / "faults.md").read_text(encoding="utf-8")
    assert written == page(), "python tests/cprd/faults.py > docs/faults.md"
