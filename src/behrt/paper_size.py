"""How much larger the paper's run is than another."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from behrt.configuration import every_model_of, pretraining_training, settings_for, training_for
from behrt.settings.behrt import PRETRAINING_FOLDERS


def relative_work(
    config: Mapping[str, Any], overrides: Mapping[str, Any], task: str
) -> dict[str, dict[str, float]]:
    """Return how much longer jobs take per patient with other keys of a configuration.

    A training takes as many steps as it has epochs, and a step of BEHRT as long as its encoder's
    multiplications per word, `layers * (4 * hidden**2 + 2 * hidden * intermediate)` (Vaswani et al.
    2017: the four projections of attention, and the two of the feed-forward part). A prediction is
    one step. Models that are not trained in epochs are left out.

    Args:
        config: the whole configuration of the run.
        overrides: keys that differ, such as those of config/paper.yaml.
        task: the name of a task.

    Returns:
        Factors by rule and model.
    """
    models = list(every_model_of(config))
    before, after = (_work(each, models, task) for each in (config, _merged(config, overrides)))
    steps = {name: after[name][0] / before[name][0] for name in before}
    size = {name: after[name][1] / before[name][1] for name in before}
    trained = {name: steps[name] * size[name] for name in before}
    return {
        "pretrain": {name: trained[name] for name in PRETRAINING_FOLDERS.values()},
        "joint": {name: trained[name] for name in models if name in trained},
        "finetune": {name: trained[name] for name in models if name in trained},
        "predict": {name: size[name] for name in models if name in size},
    }


def _merged(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = deepcopy(dict(config))
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else deepcopy(value)
    return merged


def _work(
    config: Mapping[str, Any], models: Sequence[str], task: str
) -> dict[str, tuple[float, float]]:
    """Return the epochs, and the multiplications per word, of each pretraining and model."""
    shape = config["pretrain"]["settings"]
    found = {
        folder: (float(pretraining_training(config, name)["epochs"]), _multiplications(shape))
        for name, folder in PRETRAINING_FOLDERS.items()
    }
    for model in models:
        training = training_for(config, model, task)
        if training is not None:
            size = _multiplications(settings_for(config, model, task))
            found[model] = float(training["epochs"]), size
    return found


def _multiplications(settings: Mapping[str, Any]) -> float:
    if not {"layers", "hidden", "intermediate"} <= settings.keys() or not settings["layers"]:
        return 1.0  # of another network, whose steps are taken to be as long
    hidden = settings["hidden"]
    return float(settings["layers"] * (4 * hidden**2 + 2 * hidden * settings["intermediate"]))
