"""Imports that a job does without."""

import sys


def without_unused_imports() -> None:
    """Prevent imports of packages that other packages use if they are there, and no script does.

    dataframely imports SQLAlchemy, which Snakemake needs. That is half of the start of most jobs.
    """
    sys.modules.setdefault("sqlalchemy", None)  # type: ignore[arg-type]
