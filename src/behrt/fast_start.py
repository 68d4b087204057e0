"""Imports that a job does without."""

import sys
from types import ModuleType


def without_unused_imports() -> None:
    """Prevent imports of packages that other packages use if they are there, and no script does.

    dataframely imports SQLAlchemy, which Snakemake needs. That is half of the start of most jobs.
    lightning-fabric and torch's optimisers import torch._dynamo, the compiler, only to exclude
    their code from compilation. That is half of the start of the jobs that use torch.
    """
    sys.modules.setdefault("sqlalchemy", None)  # type: ignore[arg-type]
    sys.modules.setdefault("torch._dynamo", _without_compiler())


def _without_compiler() -> ModuleType:
    """Return a replacement of torch._dynamo in which nothing is ever compiled."""
    module = ModuleType("torch._dynamo", "Nothing is compiled.")
    vars(module).update(
        OptimizedModule=type("OptimizedModule", (), {}),
        disable=lambda function, recursive=True, wrapping=True: function,
        graph_break=lambda: None,
    )
    return module
