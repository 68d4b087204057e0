"""What is trained and how, as one value: a kind of model, its settings and its optimisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from behrt.learning.run import read_settings
from behrt.settings.base import Section
from behrt.settings.training import Optimisation

Settings = TypeVar("Settings", bound=Section)


@dataclass(frozen=True)
class Recipe:
    """What is trained and how, as the configuration gives it.

    Attributes:
        kind: a module of `behrt.models`.
        settings: entries of the kind's `Settings`.
        training: entries of `Optimisation`, or None for a model without an optimiser.
        cuts: visits of each training patient after which it learns to predict; 1 is the one that
            the task draws, "all" every one with something to predict.
        inputs: what is read of the inputs of the run; None for all of them.
    """

    kind: str
    settings: Mapping[str, Any]
    training: Mapping[str, Any] | None = None
    cuts: int | Literal["all"] = 1
    inputs: Sequence[str] | None = None

    def changed(self, settings: Mapping[str, Any], training: Mapping[str, Any]) -> "Recipe":
        """Return the recipe with other values for some settings and entries of training.

        >>> Recipe("deepr", {"filters": 9}, {"epochs": 2}).changed({"filters": 8}, {}).settings
        {'filters': 8}
        """
        changed = None if self.training is None else {**self.training, **training}
        return replace(self, settings={**self.settings, **settings}, training=changed)

    def read(self, settings: type[Settings]) -> tuple[Settings, Optimisation | None]:
        """Return the settings as the kind's class, and the optimisation.

        Raises:
            InputError: a key is unknown, missing, or has a value that is not allowed.
        """
        training = None if self.training is None else read_settings(Optimisation, self.training)
        return read_settings(settings, self.settings), training
