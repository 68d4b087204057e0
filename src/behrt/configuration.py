"""The run's configuration: a kind check against its schema, and settings that vary by task."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from behrt.ablation import EMBEDDINGS
from behrt.disclosure import rules_of
from behrt.errors import InputError
from behrt.tasks import key_of


def _innermost(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Return the error below an anyOf, oneOf or if that went the furthest into the value."""
    inner = jsonschema.exceptions.best_match(error.context) if error.context else None
    return _innermost(inner) if inner is not None else error


def _problem(error: jsonschema.ValidationError) -> tuple[str, str]:
    """Return what is wrong, and how to mend it."""
    schema: dict[str, Any] = dict(error.schema)  # type: ignore[arg-type]
    if error.validator == "additionalProperties":
        known = sorted(schema.get("properties", {}))
        unknown = sorted(set(cast(Mapping[str, Any], error.instance)) - set(known))
        close = get_close_matches(unknown[0], known, n=1)
        mend = f"Did you mean {close[0]!r}" if close else f"Known keys: {', '.join(known)}"
        return f"there is no key {', '.join(map(repr, unknown))}", mend
    if error.validator == "required":
        return error.message, "Add the key; config/README.md says what it is for"
    described = schema.get("description", "").strip()
    return error.message, f"It is: {described}" if described else "See config/README.md"


def problems(config: Mapping[str, Any], schema: Path) -> Iterator[InputError]:
    """Yield one error for each thing in a configuration that its JSON schema (YAML) refuses."""
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(rules).iter_errors(config):
        inner = _innermost(error)
        where = ".".join(map(str, inner.absolute_path)) or "top level"
        problem, mend = _problem(inner)
        yield InputError(f"config, {where}", problem, mend.rstrip("."))


def check(config: Mapping[str, Any], schema: Path) -> None:
    """Refuse a configuration that its schema does not allow.

    Raises:
        InputError: naming the first key that is wrong, and what it should be.
    """
    for error in problems(config, schema):
        raise error


def options_for(extract: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Return how a table is read: what the settings of `extract` say about it, and no more."""
    dates = extract["date_format"]
    return {
        "date_format": dates.get(table) if isinstance(dates, Mapping) else dates,
        "year_format": extract["year_format"],
        "encoding": extract["encoding"],
        "columns": dict(extract["columns"].get(table, {})),
        "blank": list(extract["blank"]),
    }


SHAPE = ("hidden", "layers", "heads", "intermediate", "age", "segment", "position")
"""Settings of an encoder that pretrained weights do not fit when they differ."""


def models_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models that are not left out, by name, in order.

    Raises:
        InputError: the reference that the others are compared with is not one of them, or a
            pretrained one is to have another shape than what is pretrained.
    """
    models = {name: model for name, model in config["models"].items() if model}
    reference = config["evaluation"]["reference"]
    if reference not in models:
        raise InputError(
            "config, evaluation.reference",
            f"{reference!r} is not one of the models",
            f"Choose from {', '.join(models)}",
        )
    for name, model in models.items():
        if model.get("pretrained"):
            for task in ("", *model.get("tasks", {})):
                settings_for(config, name, task)
    return models


def every_model_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models of the tables, then those of `more_models`, by name.

    Raises:
        InputError: two have one name.
    """
    models = models_of(config)
    more = {name: model for name, model in config.get("more_models", {}).items() if model}
    if twice := sorted(models.keys() & more.keys()):
        raise InputError(
            f"config, more_models.{twice[0]}", "it is one of `models` too", "Give it another name"
        )
    return {**models, **more}


def cut_off_of(config: Mapping[str, Any]) -> str | None:
    """Return the first day that is held out, YYYY-MM-DD, or None where the split is not by time."""
    return config["split"]["cut_off"] if config["split"]["by"] == "time" else None


def settings_for(config: Mapping[str, Any], model: str, task: str) -> dict[str, Any]:
    """Return a model's settings for a task.

    A BEHRT, pretrained or not, has the shape of what is pretrained, its own settings on top; what
    its `tasks` says about the task goes before both.

    Raises:
        InputError: a pretrained model is to have another shape than what is pretrained.
    """
    chosen = {**config["models"], **config.get("more_models", {})}[model]
    shape = config["pretrain"]["settings"] if chosen["kind"] == "behrt" else {}
    special = chosen.get("tasks", {}).get(key_of(task), {})
    settings = {**shape, **chosen["settings"], **special.get("settings", {})}
    for key in set(SHAPE) & set(shape):
        if chosen.get("pretrained") and settings[key] != shape[key]:
            raise InputError(
                f"config, models.{model}.settings.{key}",
                f"it is {settings[key]!r}, but pretrain.settings has {shape[key]!r}",
                "Give both the same, or set the model's pretrained to false",
            )
    return settings


def searches_of(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what `search` is to search, by name: "mlm" (pretraining), or a model's.

    Returns:
        kind, task ("MLM" for pretraining), settings and training (as configured, with the
        search's own number of epochs), and space.

    Raises:
        InputError: a name is no model's that can be searched, or, with `tune`, a BEHRT has a
            setting of its own that is searched for all.
    """
    search = config["search"]
    models = every_model_of(config)
    left_out = {*config["models"], *config.get("more_models", {})} - models.keys()
    found = {}
    for name, space in search["spaces"].items():
        if not space or name in left_out:
            continue
        where = f"config, search.spaces.{name}"
        if name == "mlm":
            kind, task = "behrt", "MLM"
            settings, training = config["pretrain"]["settings"], config["pretrain"]["training"]
            if config["tune"]:
                _refuse_own_shape(models, space, where)
        elif name not in models:
            raise InputError(
                where, "there is no such model", f"Choose from mlm, {', '.join(models)}"
            )
        elif models[name]["kind"] == "behrt" or "training" not in models[name]:
            mend = "Search mlm, whose shape every BEHRT has, or a model with `training`"
            raise InputError(where, "this model cannot be searched", mend)
        else:
            kind, task = models[name]["kind"], search["task"]
            settings = settings_for(config, name, task)
            training = training_for(config, name, task) or {}
        training = {**training, "epochs": space["epochs"], "patience": space["epochs"]}
        found[name] = {
            "kind": kind,
            "task": task,
            "settings": settings,
            "training": training,
            "space": {part: space.get(part, {}) for part in ("settings", "training")},
        }
    return found


def _refuse_own_shape(models: Mapping[str, Any], space: Mapping[str, Any], where: str) -> None:
    for name, model in models.items():
        own = {**model.get("settings", {})}
        for special in model.get("tasks", {}).values():
            own.update(special.get("settings", {}))
        if model["kind"] == "behrt" and (both := sorted(own.keys() & space.get("settings", {}))):
            raise InputError(
                f"{where}.settings.{both[0]}",
                f"the model {name} has a setting of its own for it",
                "Take it out of one of the two: a BEHRT has the shape of what is pretrained",
            )


def search_for(config: Mapping[str, Any], model: str) -> list[str]:
    """Return the names of the searches whose values a training takes; none without `tune`.

    Args:
        config: the whole configuration.
        model: a model's name, or "mlm" for pretraining.
    """
    searched = searches_of(config) if config["tune"] else {}
    shaped = model != "mlm" and every_model_of(config)[model]["kind"] == "behrt"
    wanted = "mlm" if shaped else model
    return [wanted] if wanted in searched else []


def training_for(config: Mapping[str, Any], model: str, task: str) -> dict[str, Any] | None:
    """Return how a model is trained for a task, or None for one that needs no optimiser."""
    chosen = {**config["models"], **config.get("more_models", {})}[model]
    if "training" not in chosen:
        return None
    special = chosen.get("tasks", {}).get(key_of(task), {})
    return {**chosen["training"], **special.get("training", {})}


def compute_for(config: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return how a model is trained and used, as `behrt.learning.run.Compute` takes it.

    Models without `training` use the CPU, whatever the accelerator of the run.

    Args:
        config: the whole configuration.
        model: a model's name, or "mlm" for pretraining.
    """
    trained = model == "mlm" or "training" in every_model_of(config)[model]
    return {
        "seed": config["seed"],
        "threads": config["training_threads"],
        "precision": config["precision"],
        "accelerator": config["accelerator"] if trained else "cpu",
    }


def ablated_models(config: Mapping[str, Any]) -> list[str]:
    """Return the models that the ablation is of, in their order.

    Raises:
        InputError: one is not a model of the run, is no BEHRT, or has an embedding off already,
            so that the run itself would not be the combination of all.
    """
    for model in config["ablation"]["models"]:
        chosen = config["models"].get(model)
        if not chosen or chosen["kind"] != "behrt":
            raise InputError(
                "config, ablation.models",
                f"{model!r} is not a model of kind behrt",
                "Name models of this run that are",
            )
        for task in config["ablation"]["tasks"]:
            settings = settings_for(config, model, task)
            for embedding in EMBEDDINGS:
                if not settings.get(embedding, True):
                    raise InputError(
                        "config, ablation.models",
                        f"{model!r} has {embedding} off already for {task}",
                        "Turn it on, or leave the model out",
                    )
    return list(config["ablation"]["models"])


def disclosure_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the threshold and the rounding of counts, as `behrt.disclosure.Rules` takes them."""
    chosen = config["disclosure"]
    return asdict(rules_of(chosen["style"], chosen["threshold"], chosen["rounding"]))
