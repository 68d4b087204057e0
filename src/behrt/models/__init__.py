"""The models, one file each: `Settings`, `fit` and `predict` on the same examples.

A new model is one more file here and one entry in the configuration. An `ensemble` is made of the
predictions of others, and has no `predict`.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from behrt.errors import InputError

WITH_TRAJECTORIES = ("delphi",)
"""The kinds that learn when events and deaths come, so that futures can be sampled: their modules
have `rates` and `recalibrate`."""


def kinds() -> list[str]:
    """Return the kinds of model: the names of the modules here, without private ones."""
    return sorted(module.name for module in iter_modules(__path__) if module.name[0] != "_")


def model_named(kind: str) -> ModuleType:
    """Return the module of a kind of model.

    Raises:
        InputError: there is no such module, or it cannot be imported.
    """
    if kind not in kinds():
        raise InputError("kind", f"there is no kind {kind!r}", f"Choose from {', '.join(kinds())}")
    try:
        return import_module(f"{__name__}.{kind}")
    except (ImportError, SyntaxError, NameError) as error:
        raise InputError(
            f"behrt.models.{kind}", f"it cannot be imported: {error}", "Correct the module"
        ) from error
