"""Combinations of embeddings, and which models they are of."""

from typing import Any

import pytest

from behrt.ablation import (
    ALL_EMBEDDINGS,
    COMBINATIONS,
    EMBEDDINGS,
    ablated,
    name_of,
    switches_of,
)
from behrt.configuration import ablated_models
from behrt.errors import InputError
from behrt.settings.behrt import Settings


def config(**settings: Any) -> dict[str, Any]:
    model = {"kind": "behrt", "pretrained": False, "settings": settings}
    other = {"kind": "deepr", "pretrained": False, "settings": {}}
    return {
        "pretrain": {"settings": {}},
        "models": {"behrt": model, "deepr": other, "none": None},
        "ablation": {"tasks": ["T2"], "models": ["behrt"]},
    }


def test_there_are_eight_and_each_name_says_which_are_on() -> None:
    assert len(set(COMBINATIONS)) == 8
    assert COMBINATIONS[0] == "disease"
    assert ALL_EMBEDDINGS == "age_segment_position"
    assert {name_of(switches_of(name)) for name in COMBINATIONS} == set(COMBINATIONS)
    assert switches_of("disease") == {"age": False, "segment": False, "position": False}
    assert switches_of("age_position") == {"age": True, "segment": False, "position": True}


def test_the_switches_are_behrts_own_and_on_by_default() -> None:
    for name in COMBINATIONS:
        settings = Settings(**ablated({"hidden": 24}, name))
        assert {key: getattr(settings, key) for key in EMBEDDINGS} == switches_of(name)
    assert Settings(**ablated({}, ALL_EMBEDDINGS)) == Settings()


def test_only_a_whole_behrt_can_be_taken_apart() -> None:
    assert ablated_models(config()) == ["behrt"]
    for name in ("deepr", "none", "other"):
        wrong = config()
        wrong["ablation"]["models"] = [name]
        with pytest.raises(InputError, match=f"{name!r} is not a model of kind behrt"):
            ablated_models(wrong)
    with pytest.raises(InputError, match="'behrt' already has age off for T2"):
        ablated_models(config(age=False))
