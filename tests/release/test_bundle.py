"""Files that are gathered, files that are withheld, and paths of the machine that are left out."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.release.bundle import Data, days_of, release, suppressed, without_places
from behrt.release.scan import Watch

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.yaml"
RULES = Rules(5)
CONFIG = {
    "disclosure": {"style": "cprd", "weights": False},
    "delivery": {"folder": "/secure/place"},
    "cohort": {"study_start": "1997-04-01"},
    "tasks": {"T1": "next_visit"},
}


def make_run(folder: Path, patients: list[int | None], eligible: int) -> list[Path]:
    """Write a cohort flow, a population, a figure of each, and a page of both."""
    for name in ("tables", "figures", "cohort"):
        (folder / name).mkdir(parents=True)
    steps = {"step": range(len(patients)), "patients": patients, "excluded": [None] * len(patients)}
    frames = {
        "cohort_flow": pl.DataFrame(steps, schema_overrides={"excluded": pl.Int64}),
        "population": pl.DataFrame(
            {
                "task": "histories",
                "split": "all",
                "measure": ["eligible patients"],
                "statistic": "count",
                "value": float(eligible),
            }
        ),
    }
    files = []
    for name, frame in frames.items():
        files += [folder / "tables" / f"{name}.csv", folder / "figures" / f"{name}.svg"]
        frame.write_csv(files[-2])
        files[-1].write_text("<svg><text>Simulated data</text></svg>")
    files += [folder / "report.html", folder / "figures" / "film.mp4"]
    for path in files[-2:]:
        path.write_text("<p>Results</p>")
    return files


def gather(run: Path, files: list[Path], **changes: Any) -> dict[str, Any]:
    return release(
        run=run,
        files=files,
        models=[],
        data=Data("demo", "simulated", run / "vocabulary.json", "strict", 1, own_words=False),
        config=CONFIG | changes,
        rules=RULES,
        watch=Watch(np.array([3920054]), RULES),
        out=run / "release",
    )


def test_files_that_pass_are_released(tmp_path: Path) -> None:
    files = make_run(tmp_path, [100, 80, 60], 60)
    manifest = gather(tmp_path, files)
    assert set(manifest["files"]) == {
        *("tables/cohort_flow.csv", "tables/population.csv", "report.html", "config.json"),
        *("figures/cohort_flow.svg", "figures/population.svg"),
    }
    assert manifest["withheld"] == {
        "cohort": "it holds rows of patients",
        "figures/film.mp4": "the scan cannot read files of its kind",
        "models": "disclosure.weights of the configuration does not allow them",
    }
    assert json.loads((tmp_path / "release" / "manifest.json").read_text()) == manifest
    assert json.loads((tmp_path / "release" / "config.json").read_text())["delivery"] is None
    (tmp_path / "release" / "old.csv").write_text("")
    gather(tmp_path, files)
    assert not (tmp_path / "release" / "old.csv").exists()


def test_a_table_that_reveals_a_number_is_withheld_with_its_figures_and_pages(
    tmp_path: Path,
) -> None:
    manifest = gather(tmp_path, make_run(tmp_path, [100, 80, None], 77))
    assert set(manifest["files"]) == {
        *("tables/cohort_flow.csv", "figures/cohort_flow.svg", "config.json")
    }
    assert manifest["withheld"]["tables/population.csv"].startswith("small numbers follow")
    for name in ("figures/population.svg", "report.html"):
        assert manifest["withheld"][name] == "it shows a table that is withheld"
    assert manifest["files"]["tables/cohort_flow.csv"]["counts_suppressed"] == 3


@pytest.mark.parametrize("leak", ["patient 3920054", "died 2003-02-11", "2 patients"])
def test_a_finding_releases_nothing(tmp_path: Path, leak: str) -> None:
    files = make_run(tmp_path, [100, 80, 60], 60)
    gather(tmp_path, files)
    (tmp_path / "report.html").write_text(f"<p>{leak}</p>")
    with pytest.raises(InputError, match=r"nothing is released.*report\.html, a text") as error:
        gather(tmp_path, files)
    assert not {"3920054", "2003-02-11"} & set(str(error.value).split())
    assert not list(tmp_path.glob("*release*")), "the earlier release is removed too"


def test_tables_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contradict"):
        gather(tmp_path, make_run(tmp_path, [100, 80, 60], 90))


def test_places_are_left_out_and_days_of_the_study_are_known() -> None:
    concepts = {"look_ups": {"product": "/c"}, "tests": {"codes": "/d", "definitions": {}}}
    config = CONFIG | {
        **{"caliber": "/a", "meds": {"folder": "/b", "structure": 1}, "omop": {}},
        "concepts": concepts,
    }
    assert without_places(config) == CONFIG | {
        **{"caliber": None, "delivery": None, "omop": {}},
        "meds": {"folder": None, "structure": 1},
        "concepts": {"look_ups": None, "tests": {"codes": None, "definitions": {}}},
    }
    assert concepts["look_ups"] == {"product": "/c"}
    assert list(days_of(config)) == [date(1997, 4, 1)]
    assert CONFIG["delivery"] == {"folder": "/secure/place"}


def test_suppressed_counts_are_counted() -> None:
    table = pl.DataFrame({"step": [0, 1], "patients": [9, None], "excluded": [None, None]})
    assert suppressed(table) == 2
    assert suppressed(pl.DataFrame({"aps": [None, 0.5]})) == 0


def test_every_key_of_the_config_that_names_a_place_is_known() -> None:
    """Each text whose description begins with a file or folder: a path describes the machine."""
    place = r"(CPRD Aurum: a|A|The) ([\w.]+ )?(file|folder)"
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))

    def places(
        properties: dict[str, Any], above: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, ...]]:
        for name, inner in properties.items():
            is_text = "string" in (inner.get("type") or [])
            if is_text and re.match(place, inner["description"]):
                yield (*above, name)
            yield from places(inner.get("properties", {}), (*above, name))

    found = list(places(schema["properties"]))
    assert {("concepts", "tests", "codes"), ("concepts", "measurements", "codes")} < set(found)
    config: dict[str, Any] = {}
    for *above, name in found:
        inside = config
        for key in above:
            inside = inside.setdefault(key, {})
        inside[name] = "/home/somebody/secret"
    assert "secret" not in json.dumps(without_places(config))
