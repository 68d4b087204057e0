"""The results page, the model card and the checklist: what they say, and what they must not."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from selenium import webdriver

from behrt.catalogue import products
from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.page.facts import SPLITS, Facts, gather
from behrt.page.page import checklist, model_card, results_page
from behrt.run import Run
from behrt.tasks import Task

TASKS = ["T1", "T2"]
MODELS = ["behrt", "deepr", "prevalence"]
PIXEL = b"\x89PNG\r\n\x1a\n"


def scores(path: Path, data: str, behrt: str = "behrt") -> Path:
    rows = [
        {
            "data": data,
            "protocol": "strict",
            "task": task,
            "model": behrt if model == "behrt" else model,
            "metric": metric,
            "value": 0.41 if model == "behrt" else 0.25,
            "low": 0.40,
            "high": 0.42,
            "patients": 1234,
        }
        for task in TASKS
        for model in MODELS
        for metric in ("APS", "AUROC")
    ]
    pl.DataFrame(rows).write_csv(path)
    return path


def run(folder: Path, data: str = "simulated", **changes: Any) -> Facts:
    flow, population = folder / "cohort_flow.csv", folder / "population.csv"
    steps = {"step": [0, 1], "name": ["Delivered", "Kept"], "patients": [9000, 4321]}
    pl.DataFrame({"data": data, **steps, "excluded": [None, 4679]}).write_csv(flow)
    measures = [
        ("patients", "count", 3000.0),
        ("women", "share", 0.5234),
        ("age at the last visit in years", "median", 61.25),
    ]
    rows = [
        ("histories", split, measure, statistic, None if split == "tuning" else value)
        for split in ("train", "tuning", "held_out")
        for measure, statistic, value in measures
    ] + [("T2", "held_out", "patients", "count", 555.0)]
    frame = pl.DataFrame(
        rows, schema=["task", "split", "measure", "statistic", "value"], orient="row"
    )
    frame.select(pl.lit(data).alias("data"), pl.all()).write_csv(population)
    settings = {"layers": 2, "heads": 6, "hidden": 144, "intermediate": 288}
    mlm = {"settings": settings, "n_diseases": 299, "precision": "32-true", "epoch": 7}
    configs = {("mlm",): mlm | {"optimisation": {"epochs": 9}}, ("T1", "behrt"): {"epoch": 4}}
    configs[("T1", "prevalence")] = {"kind": "prevalence"}
    paths = []
    for place, config in configs.items():
        path = folder.joinpath("models", *place, "config.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config))
        paths.append(path)
    arguments: dict[str, Any] = {
        "cohort_flow": flow,
        "population": population,
        "table1": scores(folder / "table1.csv", data),
        "table2": scores(folder / "table2.csv", data),
        "models": paths,
        "run": Run(data, Rules(5), "strict", 100, 7, "tiny"),
        "tasks": [Task("T1"), Task("T2", 60)],
        "task": Task("T2", 60),
    }
    return gather(**(arguments | changes))


def page_of(facts: Facts, figures: list[Path], tables: list[Path]) -> str:
    """Return the page, with a caption for every product."""
    captions = {f"{product.kind}s/{product.name}": "A *caption*." for product in products()}
    return results_page(facts, figures, tables, captions)


def drawn(folder: Path, *names: str) -> list[Path]:
    paths = [folder / f"{name}.png" for name in names]
    for path in paths:
        path.write_bytes(PIXEL)
    return paths


def test_the_page_opens_with_the_run_and_holds_its_scores_beside_the_published(
    tmp_path: Path,
) -> None:
    facts = run(tmp_path)
    page = page_of(facts, drawn(tmp_path, "diseases", "cohort_flow"), [tmp_path / "table1.csv"])
    order = ["What was run", "Table 1", "Table 2", "Figure 1", "Figure 6", "TRIPOD+AI checklist"]
    places = [page.index(f">{title}") for title in order]
    assert places == sorted(places)
    assert "9,000 delivered, 4,321 in the cohort" in page
    assert (
        "Which of 299 diseases does a patient have at the next visit (T1), in the next 5 years"
        in page
    )
    behrt = page[page.index('<th scope="row">behrt') :]
    assert behrt.index("0.410") < behrt.index("published 0.462") < behrt.index("</tr>")
    prevalence = page[page.index('<th scope="row">prevalence') :]
    assert "published" not in prevalence[: prevalence.index("</tr>")]
    assert "Simulated data" in page
    assert facts.published(1, Task("T2", 6), "behrt", "APS") == "0.525"
    assert facts.published(1, Task("T2", 60), "behrt", "APS") == ""


def test_page_and_card_lead_with_the_best_model_and_its_origin(tmp_path: Path) -> None:
    facts = run(tmp_path)
    kinds = {"behrt": {"kind": "behrt", "cuts": 1}, "deepr": {"kind": "forecast"}}
    table = facts.table1.with_columns(
        value=pl.when(pl.col("model") == "deepr").then(0.47).otherwise(pl.col("value")),
        difference=pl.when(pl.col("model") == "deepr").then(0.0612),
        difference_low=pl.when(pl.col("model") == "deepr").then(0.055),
        difference_high=pl.when(pl.col("model") == "deepr").then(0.0671),
    )
    ceiling = table.filter(model="deepr").with_columns(model=pl.lit("oracle"), value=0.9)
    models = {("T1", name): kind for name, kind in kinds.items()} | facts.models
    models |= {("T1", name): kind for name, kind in kinds.items()}
    facts = replace(facts, table1=pl.concat([table, ceiling]), models=models)
    expected = (
        "T1, all labels: deepr (this project&#39;s) has the highest APS, 0.470 [0.400, 0.420]. "
        "The best of the paper&#39;s is behrt, 0.410 [0.400, 0.420]. "
        "deepr − behrt: +6.1 points [+5.5, +6.7]."
    )
    assert expected in page_of(facts, [], [])
    assert expected.replace("&#39;", "'") in model_card(facts)
    assert facts.origin("prevalence") == "trivial"
    assert facts.origin("oracle") == "ceiling"
    assert facts.origin("oracle_of_mine") == "another model"
    bounds = ("difference_low", "difference_high")  # too few patients for an interval
    few = facts.table1.with_columns(pl.lit(None, pl.Float64).alias(name) for name in bounds)
    assert "deepr − behrt: +6.1 points." in model_card(replace(facts, table1=few))
    several = replace(facts, models={("T1", "behrt"): {"kind": "behrt", "cuts": 4}})
    assert several.origin("behrt") == "another model"


def test_the_page_says_which_patients_of_the_cohort_are_left_out(tmp_path: Path) -> None:
    facts = run(tmp_path)
    assert "of whom" not in page_of(facts, [], [])  # a number of patients is hidden
    counts = {("histories", split, "patients", "count"): 1400.0 for split in SPLITS}
    whole = replace(facts, population=facts.population | counts)
    told = "4,321 in the cohort, of whom 121 have no visit with one of these diseases"
    assert told in page_of(whole, [], [])
    rounded = replace(whole, run=Run("simulated", Rules(10, 5), "strict", 100, 7, "tiny"))
    assert "of whom about 121 have" in page_of(rounded, [], [])


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 1920, 2560])
def test_the_tables_of_scores_are_whole(
    width: int, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    facts = run(tmp_path)
    models = {"behrt": "logistic_regression_of_words"}
    three = [
        table.with_columns(pl.col("model").replace(models), task=pl.lit(name))
        for name in ("T1", "T2", "T3")
        for table in [facts.table1.filter(task="T1")]
    ]
    tasks = [Task("T1"), Task("T2", 6), Task("T3", 12)]
    wide = replace(facts, table1=pl.concat(three), table2=pl.concat(three), tasks=tasks)
    (tmp_path / "page.html").write_text(page_of(wide, [], []), encoding="utf-8")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get((tmp_path / "page.html").as_uri())
        room = "return [...document.querySelectorAll('.scores')].map(table => "
        room += "table.parentNode.clientWidth - table.scrollWidth)"
        assert min(browser.execute_script(room)) >= 0
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_caption_is_marked_up_and_gives_the_number_of_patients(tmp_path: Path) -> None:
    page = page_of(run(tmp_path), drawn(tmp_path, "diseases"), [])
    assert "A <em>caption</em>. n = 555 (T2) held-out patients." in page


def test_a_figure_leads_to_the_page_that_shows_more(tmp_path: Path) -> None:
    page = page_of(run(tmp_path), drawn(tmp_path, "attention"), [])
    assert "2 simulated histories." in page
    assert re.findall(r'<a href="(?!#)([^"]+)"', page) == ["figures/explorer.html"]
    assert "explorer" not in page_of(run(tmp_path), drawn(tmp_path, "diseases"), [])


def test_real_data_are_called_so(tmp_path: Path) -> None:
    facts = run(tmp_path, data="cprd")
    page, card = page_of(facts, drawn(tmp_path, "cohort_flow"), []), model_card(facts)
    for text in (page, card):
        assert "simulated" not in text.lower()
    assert "Real data" in page
    answers = {item: answer for item, _, answer in checklist(facts)}
    assert answers["17"] == ""  # ethical approval is for the authors to tell
    assert "Nobody" not in card


@pytest.mark.parametrize(
    ("split", "text"),
    [("patient", "Patients at random"), ("dataset", "As the dataset")],
)
def test_page_card_and_checklist_name_the_split(tmp_path: Path, split: str, text: str) -> None:
    facts = run(tmp_path, run=Run("simulated", Rules(5), "strict", 100, 7, "tiny", split))
    assert text in page_of(facts, [], []).replace("&#39;", "'")
    assert text in model_card(facts)
    assert any(text in answer for _, _, answer in checklist(facts))


def test_what_a_table_hides_the_page_hides(tmp_path: Path) -> None:
    card = model_card(run(tmp_path))
    assert "too few to show to choose epochs" in card
    assert "3,000 patients' histories for training" in card
    assert "52.3 %" in card


def test_the_page_needs_no_other_file_and_no_network(tmp_path: Path) -> None:
    page = page_of(run(tmp_path), drawn(tmp_path, "diseases"), [])
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    assert "url(" not in page
    assert "<script" not in page


def test_names_are_escaped(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    table = scores(tmp_path / "hostile.csv", "simulated", behrt=hostile)
    page = page_of(run(tmp_path, table1=table), [], [table])
    assert hostile not in page
    assert "&lt;img src=x" in page


def test_the_checklist_has_every_item_once(tmp_path: Path) -> None:
    items = [item for item, _, _ in checklist(run(tmp_path))]
    assert len(items) == len(set(items))
    assert {re.sub("[a-z]", "", item) for item in items} == {str(n) for n in range(1, 28)}


def test_a_figure_without_a_caption_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="figures/surprise: it has no caption"):
        page_of(run(tmp_path), drawn(tmp_path, "surprise"), [])


def test_tables_of_another_source_are_refused(tmp_path: Path) -> None:
    other = scores(tmp_path / "other.csv", "simulated")
    with pytest.raises(InputError, match="not of cprd data"):
        run(tmp_path, data="cprd", table1=other)


def test_the_source_states_what_a_study_does_without(tmp_path: Path) -> None:
    facts = run(tmp_path, "cprd")
    assert facts.source == "A CPRD delivery with linked hospital records"
    facts.flow[0]["name"] = "Delivered, without ONS deaths"
    assert facts.source == "A CPRD delivery with linked hospital records, without ONS deaths"
    facts.flow[0]["name"] = "Delivered, without ONS deaths and hospital records"
    assert facts.source == "A CPRD delivery, without ONS deaths and hospital records"
