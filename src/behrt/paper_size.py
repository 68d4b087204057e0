"""How much larger the paper's run is than another."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from snakemake.utils import update_config

from behrt.configuration import every_model_of, pretraining_training, settings_for, training_for
from behrt.resources import layer_weights
from behrt.settings.behrt import PRETRAINING_FOLDERS


def relative_work(
    config: Mapping[str, Any], overrides: Mapping[str, Any], task: str
) -> dict[str, dict[str, float]]:
    """Return how much longer jobs take per patient with other keys of a configuration.

    A training takes as many steps as it has epochs, and a step of BEHRT as long as its encoder's
    multiplications per word (`behrt.resources.layer_weights`). Models that are not trained in
    epochs are left out.

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
    }


def _merged(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = deepcopy(dict(config))
    update_config(merged, deepcopy(dict(overrides)))
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
    """Return those per word; 1 for another network than BEHRT, whose steps take as long."""
    is_encoder = {"layers", "hidden", "intermediate"} <= settings.keys()
    return float((layer_weights(settings) if is_encoder else 0) or 1)
