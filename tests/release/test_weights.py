"""Rows that too few patients taught are erased, in every kind of model, and no others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from behrt.errors import InputError
from behrt.models import behrt, deepr, model_named, retain
from behrt.release.weights import erase
from behrt.settings.behrt import Settings

N = 7
SMALL = Settings(hidden=8, layers=1, heads=2, intermediate=8)
RARE = np.array([False, True, False, False, True, False, False])
MODELS = {
    "cls": ("behrt", behrt.Behrt(SMALL, N)),
    "mask": ("behrt", behrt.Behrt(SMALL.model_copy(update={"readout": "mask"}), N)),
    "deepr": ("deepr", deepr.Deepr(deepr.Settings(embedding_size=4, filters=3), N)),
    "retain": ("retain", retain.Retain(retain.Settings(embedding_size=4, hidden_size=3), N)),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_row_of_a_rare_disease_and_no_other_changes(name: str) -> None:
    kind, model = MODELS[name]
    torch.manual_seed(1)
    weights = {key: torch.randn(value.shape) for key, value in model.state_dict().items()}
    erased = erase(weights, kind, RARE)
    rows = model_named(kind).DISEASE_ROWS
    sized = {key for key, value in weights.items() if len(value) in (N, N + 5, N + 7)}
    assert sized - {"word"} == set(rows) & set(weights), "a tensor with a row a disease is missing"
    for key, before in weights.items():
        if key not in rows:
            assert torch.equal(erased[key], before)
            continue
        first = rows[key]
        assert torch.equal(erased[key][:first], before[:first])
        assert torch.equal(erased[key][first:][~RARE], before[first:][~RARE])
        gone = erased[key][first:][RARE]
        wanted = before[first:][~RARE].min() if before.ndim == 1 else torch.tensor(0.0)
        assert torch.equal(gone, wanted.expand(gone.shape))


def test_models_whose_weights_are_counts_are_refused() -> None:
    with pytest.raises(InputError, match="does not say which"):
        erase({"prevalence": torch.zeros(N)}, "prevalence", RARE)
    with pytest.raises(InputError, match="every disease is rare"):
        erase(MODELS["cls"][1].state_dict(), "behrt", np.ones(N, dtype=bool))


def test_the_tensors_are_those_of_the_models(tmp_path: Path) -> None:
    for kind, model in MODELS.values():
        assert set(model_named(kind).DISEASE_ROWS) & set(model.state_dict())
