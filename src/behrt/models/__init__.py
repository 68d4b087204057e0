"""The models, one file each: `Settings`, `fit` and `predict` on the same examples.

A new model is one more file here, and one entry in the configuration.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from behrt.errors import InputError


def model_named(kind: str) -> ModuleType:
    """Return the module of a kind of model.

    Raises:
        InputError: there is no such module.
    """
    kinds = [module.name for module in iter_modules(__path__)]
    if kind not in kinds:
        raise InputError("kind", f"there is no model {kind!r}", f"Choose from {', '.join(kinds)}")
    return import_module(f"{__name__}.{kind}")
