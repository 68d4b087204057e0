"""Models of one outcome, one file per kind: `fit` and `predict` on the same predictions.

A kind has the settings of the kind of that name in `behrt.models`; `age_sex` has none.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def outcome_kinds() -> list[str]:
    """Return the kinds of model that can learn an outcome."""
    return sorted(module.name for module in iter_modules(__path__) if module.name[0] != "_")


def outcome_model(kind: str) -> ModuleType:
    """Return the module of a kind."""
    return import_module(f"{__name__}.{kind}")
