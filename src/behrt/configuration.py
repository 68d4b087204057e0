"""The run's configuration: checked as a whole, with its defaults, and what follows from it."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from behrt.ablation import EMBEDDINGS
from behrt.disclosure import rules_of
from behrt.errors import InputError
from behrt.kinds import ALL_INPUTS, ENSEMBLE, WITHOUT_INPUTS, Kinds
from behrt.settings.base import check_part
from behrt.settings.base import read as read_section
from behrt.settings.behrt import PRETRAINING_FOLDERS, Pretraining
from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.refusal import nearest
from behrt.settings.run import RunSettings
from behrt.settings.training import Optimisation
from behrt.tasks import ALL, key_of


def read(config: Mapping[str, Any], schema: Path) -> dict[str, Any]:
    """Return a configuration with the default of every key that is left out.

    Args:
        config: as given in configuration files.
        schema: the path of config.schema.yaml, with the settings of the kinds of model.

    Raises:
        InputError: naming the first key that is wrong, and what it should be.
    """
    filled = read_section(RunSettings, config).model_dump(mode="json", by_alias=True)
    _check_models(filled, Kinds(schema))
    return filled


def joint_models(config: Mapping[str, Any], schema: Path) -> list[str]:
    """Return the names of the models that are trained once, for all tasks.

    Args:
        config: the whole configuration.
        schema: the path of config.schema.yaml.
    """
    kinds = Kinds(schema)
    return [name for name, model in every_model_of(config).items() if kinds.is_joint(model["kind"])]


def _check_models(config: Mapping[str, Any], kinds: Kinds) -> None:
    for section in ("models", "more_models"):
        for name, model in config[section].items():
            if model is not None:
                _check_model(config, section, name, kinds)
                if model["kind"] == ENSEMBLE:
                    _check_ensemble(config, section, name)
    for name, space in config["search"]["spaces"].items():
        model = {**config["models"], **config["more_models"]}.get(name)
        kind = "behrt" if name == "mlm" else (model or {}).get("kind")
        for part, values in (space or {}).items():
            if kind and part != "epochs":
                where = f"config, search.spaces.{name}.{part}"
                _check_tried(kinds, kind if part == "settings" else None, values, where)


def _check_model(config: Mapping[str, Any], section: str, name: str, kinds: Kinds) -> None:
    model, where = config[section][name], f"config, {section}.{name}"
    kind = model["kind"]
    kinds.check_kind(kind, f"{where}.kind")
    if kinds.needs_training(kind) != ("training" in model):
        problem = "is trained by no optimiser" if "training" in model else "needs `training`"
        fix = "Remove it" if "training" in model else "Give its epochs, batch_size, learning_rate"
        raise InputError(f"{where}.training", f"kind {kind} {problem}", fix)
    if kinds.is_joint(kind):
        _check_joint(config, name, model, where)
    if model["inputs"] is not None:
        _check_inputs(config, kind, model["inputs"], f"{where}.inputs")
    kinds.check_settings(kind, model["settings"], f"{where}.settings", whole=False)
    for task, special in model["tasks"].items():
        place = f"{where}.tasks.{task}"
        kinds.check_settings(kind, special["settings"], f"{place}.settings", whole=False)
        check_part(Optimisation, special["training"], f"{place}.training")
    for task in ("", *model["tasks"]):
        kinds.check_settings(kind, settings_for(config, name, task), f"{where}.settings")


def _check_inputs(config: Mapping[str, Any], kind: str, inputs: list[str], where: str) -> None:
    """Refuse inputs that the run or the kind of model does not read."""
    if missing := [name for name in inputs if name not in config["inputs"]]:
        raise InputError(
            where, f"the run does not read {missing[0]}", f"Add {missing[0]} to `inputs` of the run"
        )
    if kind in WITHOUT_INPUTS:
        raise InputError(where, f"kind {kind} reads no words of visits", "Remove it")
    if kind in ALL_INPUTS and len(inputs) < len(config["inputs"]):
        raise InputError(where, f"kind {kind} reads all inputs of the run", "Remove it")


def _check_joint(
    config: Mapping[str, Any], name: str, model: Mapping[str, Any], where: str
) -> None:
    """Refuse what a model that is trained once, for all tasks, cannot have."""
    if model["tasks"]:
        raise InputError(
            f"{where}.tasks", "the model is trained once, for all tasks", "Remove `tasks`"
        )
    reserved = PRETRAINING_FOLDERS.values()
    if name in reserved or name.endswith(ALL):
        raise InputError(
            where,
            "this name is reserved: models/<name> is its folder",
            f"Choose another name than {' and '.join(reserved)}, which does not end in {ALL}",
        )
    if config["search"]["spaces"].get(name):
        raise InputError(
            f"config, search.spaces.{name}",
            "this model cannot be searched: it is trained once, for all tasks",
            "Remove it",
        )


def _check_ensemble(config: Mapping[str, Any], section: str, name: str) -> None:
    """Refuse members that are not models of the run, or are ensembles themselves."""
    model, where = config[section][name], f"config, {section}.{name}"
    both = {**config["models"], **config["more_models"]}
    kinds = {member: entry["kind"] for member, entry in both.items() if entry}
    known = [member for member, kind in kinds.items() if kind != ENSEMBLE]
    if model["cuts"] != 1:
        raise InputError(
            f"{where}.cuts", "an ensemble learns from no visits", "Give `cuts` to its members"
        )
    for task in ("", *model["tasks"]):
        for member in settings_for(config, name, task)["of"]:
            if member in known:
                continue
            if member in both and both[member] is None:
                problem = f"the model {member!r} is excluded"
                fix = f"Give other models, or exclude this one too: `{name}: null`"
            elif member in both:
                problem, fix = f"{member!r} is itself an ensemble", nearest(member, known)
            else:
                problem, fix = f"there is no model {member!r}", nearest(member, known)
            raise InputError(f"{where}.settings.of", problem, fix)


def _check_tried(kinds: Kinds, kind: str | None, tried: Mapping[str, Any], where: str) -> None:
    """Check each value of a search, of settings of a kind of model or, without one, of training."""
    for key, values in tried.items():
        for value in values if isinstance(values, list) else (values["low"], values["high"]):
            if kind is None:
                check_part(Optimisation, {key: value}, where)
            else:
                kinds.check_settings(kind, {key: value}, where, whole=False)


def options_for(extract: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Return the options of `extract` that apply to a table."""
    dates = extract["date_format"]
    return {
        "date_format": dates.get(table) if isinstance(dates, Mapping) else dates,
        "year_format": extract["year_format"],
        "encoding": extract["encoding"],
        "columns": dict(extract["columns"].get(table, {})),
        "blank": list(extract["blank"]),
    }


SHAPE = ("hidden", "layers", "heads", "intermediate", "age", "segment", "position")
"""Settings in which a model and its pretrained weights must agree."""


def models_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models that are not excluded, by name, in order.

    Raises:
        InputError: `evaluation.reference` is not one of them, or a pretrained model has another
            shape than the pretrained weights.
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


def ensembles_of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the members of each ensemble, by name: those that it has for any task."""
    found = {}
    for name, model in every_model_of(config).items():
        if model["kind"] == ENSEMBLE:
            of_tasks = [settings_for(config, name, task)["of"] for task in ("", *model["tasks"])]
            found[name] = list(dict.fromkeys(chain.from_iterable(of_tasks)))
    return found


def model_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder of the trained model that `validate` scores.

    Raises:
        InputError: none is given, it holds no trained model, or this run trained it.
    """
    if config["model"] is None:
        raise InputError(
            "config, model",
            "it is missing",
            "Give the folder of a trained model, results/<run>/trained/<task>/<model>",
        )
    folder = Path(config["model"])
    if not (folder / "trained.json").is_file():
        raise InputError(
            folder,
            "it holds no trained model",
            "Make one: snakemake results/<run>/trained/<task>/<model>",
        )
    if folder.resolve().is_relative_to(Path(config["results"], config["run"]).resolve()):
        raise InputError(
            "config, model",
            "it was trained by this run, on some of the same patients",
            "Validate it on another run; its own tables have its held-out patients",
        )
    return folder


def cut_off_of(config: Mapping[str, Any]) -> str | None:
    """Return the first day that is held out, YYYY-MM-DD, or None where the split is not by time."""
    return config["split"]["cut_off"] if config["split"]["by"] == "time" else None


def settings_for(config: Mapping[str, Any], model: str, task: str) -> dict[str, Any]:
    """Return a model's settings for a task.

    A BEHRT, pretrained or not, has the settings of pretraining unless its own settings differ. The
    settings for the task in `tasks` override both.

    Raises:
        InputError: a pretrained model has another shape than the pretrained weights.
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
    """Return the searches of `search` by name: "mlm" (pretraining), or the name of a model.

    Returns:
        kind, task ("MLM" for pretraining), settings, training (as configured, with the search's own
        number of epochs), cuts, inputs, and space.

    Raises:
        InputError: a name is not that of a model that can be searched, or, with `tune`, a BEHRT
            has its own value of a setting that is searched for all.
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
            fix = "Search mlm, whose shape every BEHRT has, or a model with `training`"
            raise InputError(where, "this model cannot be searched", fix)
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
            "cuts": 1 if name == "mlm" else models[name]["cuts"],
            "inputs": inputs_for(config, name),
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
                "Remove one of the two: every BEHRT has the shape of the pretrained weights",
            )


def search_for(config: Mapping[str, Any], model: str) -> list[str]:
    """Return the names of the searches whose values a training uses; none without `tune`.

    Args:
        config: the whole configuration.
        model: a model's name, or "mlm" for pretraining.
    """
    searched = searches_of(config) if config["tune"] else {}
    shaped = model != "mlm" and every_model_of(config)[model]["kind"] == "behrt"
    wanted = "mlm" if shaped else model
    return [wanted] if wanted in searched else []


def pretraining_training(config: Mapping[str, Any], pretraining: Pretraining) -> dict[str, Any]:
    """Return how a pretraining is optimised."""
    section = config["pretrain"]
    own = section.get("forecast") if pretraining == "forecast" else None
    return dict(own or section["training"])


def training_for(config: Mapping[str, Any], model: str, task: str) -> dict[str, Any] | None:
    """Return how a model is optimised for a task, or None for a kind without an optimiser."""
    chosen = {**config["models"], **config.get("more_models", {})}[model]
    if "training" not in chosen:
        return None
    special = chosen.get("tasks", {}).get(key_of(task), {})
    return {**chosen["training"], **special.get("training", {})}


def inputs_for(config: Mapping[str, Any], model: str) -> list[str]:
    """Return the inputs that a model reads: its own, or else those of the run.

    Args:
        config: the whole configuration.
        model: a model's name, or "mlm" for pretraining.
    """
    own = None if model == "mlm" else every_model_of(config)[model]["inputs"]
    return list(own or config["inputs"])


def compute_for(config: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return how a model is trained and used, as `behrt.learning.run.Compute` takes it.

    Models without `training` use the CPU, whatever the accelerator of the run. A job adds the
    section `gpu` (`behrt.stage.run`).

    Args:
        config: the whole configuration.
        model: a model's name, or "mlm" for pretraining.
    """
    trained = model == "mlm" or "training" in every_model_of(config)[model]
    on_gpu = config["accelerator"] == "gpu" and trained
    return {
        "seed": config["seed"],
        "threads": config["training_threads"],
        "precision": config["precision"],
        "accelerator": "gpu" if on_gpu else "cpu",
    }


def gpus_to_train(config: Mapping[str, Any]) -> int:
    """Return the number of GPUs that a training requests."""
    if config["accelerator"] != "gpu":
        return 0
    gpus: int = config["gpu"]["devices"] * config["gpu"]["nodes"]
    return gpus


def nodes_to_train(config: Mapping[str, Any]) -> int:
    """Return the number of nodes that a training requests: one without a GPU."""
    nodes: int = config["gpu"]["nodes"] if gpus_to_train(config) else 1
    return nodes


def ablated_models(config: Mapping[str, Any]) -> list[str]:
    """Return the models of the ablation, in their order.

    Raises:
        InputError: one is not a model of the run, is not a BEHRT, or already has an embedding off,
            so that the run itself would not be the combination of all.
    """
    for model in config["ablation"]["models"]:
        chosen = config["models"].get(model)
        if not chosen or chosen["kind"] != "behrt":
            raise InputError(
                "config, ablation.models",
                f"{model!r} is not a model of kind behrt",
                "Name models of this run of that kind",
            )
        for task in config["ablation"]["tasks"]:
            settings = settings_for(config, model, task)
            for embedding in EMBEDDINGS:
                if not settings.get(embedding, True):
                    raise InputError(
                        "config, ablation.models",
                        f"{model!r} already has {embedding} off for {task}",
                        "Turn it on, or remove the model",
                    )
    return list(config["ablation"]["models"])


def models_ablated_by_inputs(config: Mapping[str, Any]) -> list[str]:
    """Return the models that are compared with and without inputs beyond diagnoses, in order.

    Raises:
        InputError: one is not a model of the run, does not read inputs, or has inputs of its own,
            so that the run itself would not be the combination of all.
    """
    models = models_of(config)
    for name in config["ablation"]["inputs_models"]:
        where = "config, ablation.inputs_models"
        if name not in models:
            raise InputError(where, f"there is no model {name!r}", nearest(name, list(models)))
        kind = models[name]["kind"]
        if kind in (*WITHOUT_INPUTS, *ALL_INPUTS):
            raise InputError(where, f"kind {kind} cannot read some inputs only", "Remove it")
        if models[name]["inputs"] is not None:
            raise InputError(where, f"{name!r} has inputs of its own", "Remove one of the two")
    return list(config["ablation"]["inputs_models"])


def disclosure_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the threshold and the rounding of counts, as `behrt.disclosure.Rules` takes them."""
    chosen = config["disclosure"]
    return asdict(rules_of(chosen["style"], chosen["threshold"], chosen["rounding"]))


def outcomes_of(config: Mapping[str, Any]) -> dict[str, OutcomeSettings]:
    """Return the outcomes that are not excluded, by name."""
    return {
        name: OutcomeSettings.model_validate(outcome)
        for name, outcome in config["outcomes"].items()
        if outcome is not None
    }


def reads_admissions(config: Mapping[str, Any], name: str, delivered: bool) -> bool:
    """Return whether an outcome reads stays in hospital.

    The sources `cprd` and `simulated` date the diagnoses of a stay by its admission. So their
    outcomes read the stays wherever they are delivered, to predict for nobody who is in hospital.

    Args:
        config: the whole configuration.
        name: of the outcome.
        delivered: whether the data has a table with them.

    Raises:
        InputError: it needs them, and the data has none.
    """
    needed = outcomes_of(config)[name].needs_admissions
    if needed and not delivered:
        table = "visit_occurrence" if config["source"] == "omop" else "hes_hospital"
        raise InputError(
            f"config, outcomes.{name}",
            f"it needs admissions to hospital, and the run has no table {table}",
            f"Exclude the outcome with `{name}: null`, or add the table",
        )
    return needed or (delivered and config["source"] in ("cprd", "simulated"))


OUTCOME_KINDS = ("behrt", "forecast", "lightgbm", "logistic_regression")
"""The kinds of model that learn outcomes, in addition to age and sex."""

AGE_SEX = "age_sex"
"""The model of age and sex, which every outcome has."""


def outcome_models_of(
    config: Mapping[str, Any], few_labels: bool = False
) -> dict[str, dict[str, Any]]:
    """Return how each model is trained for an outcome, by name, as a recipe.

    Args:
        config: the whole configuration.
        few_labels: whether those of `more_models` that start from random weights are added, which
            show what pretraining is for where labels are few.

    Raises:
        InputError: `evaluation.outcome_models` names one that is not there, or cannot learn them.
    """
    every, chosen = every_model_of(config), config["evaluation"]["outcome_models"]
    able = [name for name, model in every.items() if model["kind"] in OUTCOME_KINDS]
    for name in chosen or ():
        if name not in able:
            problem = "it cannot learn outcomes" if name in every else "there is no such model"
            raise InputError(
                f"config, evaluation.outcome_models, {name}", problem, nearest(name, able)
            )
    if AGE_SEX in every:
        raise InputError(f"config, models.{AGE_SEX}", "this name is reserved", "Rename the model")
    named = chosen if chosen is not None else [name for name in config["models"] if name in able]
    if few_labels and chosen is None:
        named += [
            name
            for name in able
            if every[name]["kind"] == "behrt"
            and not every[name]["pretrained"]
            and name not in named
        ]
    recipes = {
        name: {
            "kind": every[name]["kind"],
            "settings": settings_for(config, name, ""),
            "training": training_for(config, name, ""),
            "inputs": inputs_for(config, name),
        }
        for name in named
    }
    return {AGE_SEX: {"kind": AGE_SEX, "settings": {}, "training": None}, **recipes}
