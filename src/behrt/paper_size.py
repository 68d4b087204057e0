"""How much larger the paper's run is than another."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from behrt.configuration import every_model_of, pretraining_training, settings_for, training_for
from behrt.settings.behrt import PRETRAINING_FOLDERS

PAPER_PATIENTS = 1_600_000
"""The patients of the paper's cohort (Li et al. 2020, Methods: those with five visits or more)."""


def relative_work(
    config: Mapping[str, Any], overrides: Mapping[str, Any], task: str
) -> dict[str, float]:
    """Return how much longer each training takes per patient with `overrides` of a configuration.

    A training takes as many steps as it has epochs, and a step of BEHRT as long as its encoder's
    multiplications per word, `layers * (4 * hidden**2 + 2 * hidden * intermediate)` (Vaswani et al.
    2017, with the four projections of attention and the two of the feed-forward part). Models
    without epochs are left out.

    Args:
        config: the whole configuration of the run.
        overrides: keys that differ, such as those of config/paper.yaml.
        task: the name of a task.
    """
    models = list(every_model_of(config))
    before, after = (_work(each, models, task) for each in (config, _merged(config, overrides)))
    return {name: after[name] / before[name] for name in before}


def _merged(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = deepcopy(dict(config))
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else deepcopy(value)
    return merged


def _work(config: Mapping[str, Any], models: Sequence[str], task: str) -> dict[str, float]:
    pretrain = config["pretrain"]
    found = {
        folder: pretraining_training(config, name)["epochs"] * _size(pretrain["settings"])
        for name, folder in PRETRAINING_FOLDERS.items()
    }
    for model in models:
        training = training_for(config, model, task)
        if training is not None:
            found[model] = training["epochs"] * _size(settings_for(config, model, task))
    return found


def _size(settings: Mapping[str, Any]) -> float:
    if not {"layers", "hidden", "intermediate"} <= settings.keys() or not settings["layers"]:
        return 1.0  # another network, whose steps are taken to be as long
    hidden = settings["hidden"]
    return float(settings["layers"] * (4 * hidden**2 + 2 * hidden * settings["intermediate"]))
