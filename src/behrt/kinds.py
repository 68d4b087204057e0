"""The kinds of model, and the check of a model's settings without importing torch.

A kind is a module of `behrt.models`, and its `Settings` decide what is allowed. Importing the
module takes seconds, and every job reads the configuration. So settings that config.schema.yaml
allows, which is generated from the same classes, are accepted. All others, and kinds that are not
in the schema, are checked by the class itself.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from behrt.errors import InputError
from behrt.models import kinds, model_named
from behrt.settings.base import Section, check_part, read
from behrt.settings.refusal import nearest

NEEDS_CLASS = "x-needs-class"
"""Marks, in the schema, a kind with rules for several settings together, or without a default."""

TRAINING = "x-training"
"""States, in the schema, whether a kind needs `training`; otherwise the kind has none."""

ENSEMBLE = "ensemble"
"""The kind of model that is made of the predictions of others."""

WITHOUT_INPUTS = (ENSEMBLE, "history", "prevalence")
"""The kinds that read no words of visits; `history` reads which diseases are known."""

ALL_INPUTS = ("delphi",)
"""The kinds that read all inputs of the run, since a model of some has visits without a word."""

WITH_VECTORS = (
    "bag_of_words",
    "behrt",
    "boltzmann_machine",
    "deep_patient",
    "deepcare",
    "deepr",
    "delphi",
    "doctor_ai",
    "forecast",
    "retain",
    "skip_gram",
)
"""The kinds with vectors of patients: their modules have `embed`."""

JOINT = "x-joint"
"""States, in the schema, whether a kind is trained once, for all tasks."""

_STRICT = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) in (int, float) and math.isfinite(value),
        }
    ),
)
"""JSON Schema takes 3.0 for an integer and NaN for a number; the settings do not."""


class Kinds:
    """The kinds of model, as described in config.schema.yaml.

    Args:
        schema: the path of config.schema.yaml.
    """

    def __init__(self, schema: Path) -> None:
        self._path = schema

    @cached_property
    def _described(self) -> dict[str, Any]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        text = self._path.read_text(encoding="utf-8")
        definitions = loader(text).get_single_data()["$defs"]
        return {name: definition for name, definition in definitions.items() if name in kinds()}

    def check_kind(self, kind: str, where: str) -> None:
        """Refuse a kind that has no module.

        Raises:
            InputError: naming the nearest known kind.
        """
        known = kinds()
        if kind not in known:
            raise InputError(where, f"there is no kind {kind!r}", nearest(kind, known))

    def check_settings(
        self, kind: str, settings: Mapping[str, Any], where: str, whole: bool = True
    ) -> None:
        """Check settings of a kind of model; `whole` means that no others come from elsewhere.

        Raises:
            InputError: naming the setting that is wrong.
        """
        if self._accepts(kind, settings):
            return
        if whole:
            read(settings_class(kind), settings, where)
        else:
            check_part(settings_class(kind), settings, where)

    def _accepts(self, kind: str, settings: Mapping[str, Any]) -> bool:
        described = self._described.get(kind)
        if described is None or described.get(NEEDS_CLASS):
            return False
        return bool(_STRICT(described).is_valid(dict(settings)))

    def needs_training(self, kind: str) -> bool:
        """Return whether a kind is trained by the engine, as its `training` describes."""
        if kind in self._described:
            return bool(self._described[kind][TRAINING])
        return module_needs_training(kind)

    def is_joint(self, kind: str) -> bool:
        """Return whether a kind is trained once, for all tasks."""
        if kind in self._described:
            return bool(self._described[kind][JOINT])
        return module_is_joint(kind)


def settings_class(kind: str) -> type[Section]:
    """Return the `Settings` of a kind of model.

    Raises:
        InputError: its module cannot be imported, or has no such class.
    """
    without_torch = find_spec(f"behrt.settings.{kind}")
    module = import_module(without_torch.name) if without_torch else model_named(kind)
    settings = getattr(module, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, Section)):
        raise InputError(
            f"behrt.models.{kind}",
            "it has no Settings",
            "Define `class Settings(Section)`, as the other modules of behrt.models do",
        )
    return settings


def module_needs_training(kind: str) -> bool:
    """Return whether a kind's `fit` uses an optimiser, from its module."""
    from behrt.learning.estimated import Estimated

    if kind == ENSEMBLE:
        return False
    fit = getattr(model_named(kind), "fit", None)
    return not isinstance(getattr(fit, "__self__", None), Estimated)


def module_is_joint(kind: str) -> bool:
    """Return whether a kind is trained once for all tasks: whether its module has `fit_jointly`."""
    return hasattr(model_named(kind), "fit_jointly")
