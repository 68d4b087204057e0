"""A small untrained network that looks sharply, and a history for it."""

import numpy as np
import pytest
import torch

from behrt.learning.words import Words
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, SEP
from behrt.settings.behrt import Settings

N_DISEASES = 9


def network(**settings: object) -> Behrt:
    torch.manual_seed(3)
    sizes = {"hidden": 16, "layers": 3, "heads": 4, "intermediate": 24, "max_length": 40}
    model = Behrt(Settings(**{**sizes, **settings}), N_DISEASES)  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.mul_(12)
    return model.eval()


@pytest.fixture
def classifier() -> Behrt:
    return network()


@pytest.fixture
def pretrained() -> Behrt:
    return network(readout="mask")


@pytest.fixture
def words() -> Words:
    visits = [[0, 3], [4], [3, 7, 8], [0]]
    tokens, index = [CLS], [0]
    for number, visit in enumerate(visits):
        tokens += [FIRST_DISEASE + disease for disease in visit] + [SEP]
        index += [number] * (len(visit) + 1)
    months = 500 + 7 * np.array(index)
    return Words(np.array([0, len(tokens)]), np.array(tokens), months, np.array(index))
