"""Imports that a job does without."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def without_unused_imports() -> None:
    """Prevent imports of packages that other packages use if they are there, and no script does.

    dataframely imports SQLAlchemy, which Snakemake needs. That is half of the start of most jobs.
    """
    sys.modules.setdefault("sqlalchemy", None)  # type: ignore[arg-type]


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Import, in this context, as if some packages were not there, unless they are imported."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]
