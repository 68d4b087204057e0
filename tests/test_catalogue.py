"""The catalogue: entries that fit their modules, and titles and captions that are written once."""

import inspect
import re
from importlib import import_module
from typing import Any

import pytest

from behrt.catalogue import FIGURE, PAGE, TABLE, Product, products
from behrt.stage import plain, typed
from behrt.tasks import Task

PRODUCTS = products(searches=["mlm"])
TASKS = [Task("T1"), Task("T2", 60), Task("T7", 24)]


def settings(product: Product, **changes: Any) -> dict[str, Any]:
    """Return values of all settings that a caption may name."""
    tasks = [task.on_all_eligible() for task in TASKS[1:]] if product.eligible else TASKS
    return {
        "data": "simulated",
        "disclosure": {"threshold": 8, "rounding": 5},
        "protocol": "strict",
        "seed": 7,
        "resamples": 321,
        "joint": ["forecast"],
        "next_event": ["delphi"],
        "forecasting": ["behrt_forecast"],
        "reference": "behrt_mask",
        "references": ["behrt_mask", "behrt"],
        "several_cuts": ["lightgbm_times"],
        "ensembles": {"ensemble": ["forecast", "lightgbm_times"]},
        "minimum_prevalence": 0.01,
        "neighbours": 10,
        "permutations": 99,
        "tasks": tasks,
        "task": tasks[-2],
        "score": 0.5,
        "ranks": 10,
        "maximum_length": 100,
        "explained": "behrt_mask",
        "foreseeing": "delphi",
        "ceilings": True,
        "outcomes": {"death": "death within 90 days of a random visit"},
        "outcome_reference": "behrt_mask",
        "outcome_ceilings": True,
        **changes,
    }


def test_names_and_titles_are_unique() -> None:
    for kind in (TABLE, FIGURE, PAGE):
        chosen = [product for product in PRODUCTS if product.kind == kind]
        assert len({product.name for product in chosen}) == len(chosen)
        assert len({product.title for product in chosen}) == len(chosen)
        targets = ("all", "paper", "outcomes", "trajectories", "ablation_inputs", "performance")
        assert all(product.target in targets for product in chosen)


def test_an_entry_gives_the_arguments_that_its_function_takes() -> None:
    for product in PRODUCTS:
        if product.kind == PAGE:
            continue
        module = import_module(f"behrt.{product.kind}s.{product.module}")
        takes = inspect.signature(module.table if product.kind == TABLE else module.draw).parameters
        given = {*product.inputs, *product.tables, *product.settings, *product.arguments}
        if product.kind == TABLE:
            given = {"run", *given - {"protocol", "resamples", "seed"}}
        required = {n for n, taken in takes.items() if taken.default is inspect.Parameter.empty}
        assert required <= given <= {*takes}, product.name


@pytest.mark.parametrize("data", ["simulated", "cprd"])
@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_captions_state_the_facts_of_the_run(data: str, protocol: str) -> None:
    for product in PRODUCTS:
        simulated = data == "simulated"
        given = settings(product, data=data, protocol=protocol, ceilings=simulated)
        caption = product.captioned(given)
        assert caption.startswith("**Simulated data.** ") == simulated, product.name
        assert not re.search(r"[{}]|  |None", caption), product.name
        assert caption[-1] == ".", product.name


def test_captions_state_which_models_are_not_the_papers() -> None:
    for name in ("table1", "table2", "table1_more", "table2_more"):
        (product,) = (found for found in PRODUCTS if found.name == name)
        assert "*forecast* is this project's own" in product.captioned(settings(product))
        assert "*delphi* follows the idea of Delphi-2M" in product.captioned(settings(product))
        assert "*behrt_forecast* starts from a network that" in product.captioned(settings(product))
        without = product.captioned(settings(product, joint=[], next_event=[], forecasting=[]))
        assert "this project's own" not in without
        assert "Delphi" not in without
        assert "from a network that" not in without
        assert "  " not in without


def test_captions_describe_the_oracle_only_where_the_run_has_one() -> None:
    captions = [product.captioned(settings(product)) for product in PRODUCTS]
    without = [product.captioned(settings(product, ceilings=False)) for product in PRODUCTS]
    named = "oracle_records"
    assert sum(named in caption for caption in captions) == 5
    assert not any(named in caption for caption in without)


def test_captions_take_windows_from_the_tasks() -> None:
    captions = {
        f"{product.kind}s/{product.name}": product.captioned(settings(product))
        for product in PRODUCTS
    }
    assert not any("6 months" in text or "12 months" in text for text in captions.values())
    for name in ("tables/table1", "tables/table2_more", "figures/trends"):
        assert "T1: next visit; T2: next 5 years; T7: next 2 years" in captions[name], name
    assert "T2: next 5 years" in captions["tables/diseases"]
    assert "in the next 5 years (T2)" in captions["pages/explorer"]


def test_conditions_and_searches_choose_products() -> None:
    conditions = ("cprd", "explained", "outcomes", "searches", "trajectories", "windows")
    holds = dict.fromkeys((*conditions, "explained_trajectories", "concepts"), False)
    few = {product.name for product in products(holds, searches=[])}
    assert not few & {"attention", "explorer", "metrics_all", "search", "trajectories"}
    assert "ablation_inputs" not in few
    names = [product.name for product in products(searches=["mlm", "retain"])]
    assert {"search_mlm", "search_retain", "metrics_all"} <= {*names}


def test_params_come_back_as_they_were() -> None:
    for value, annotation in (
        (TASKS, list[Task]),
        (TASKS[1], Task),
        ({"a": TASKS}, dict[str, list[Task]]),
    ):
        assert typed(plain(value), annotation) == value
