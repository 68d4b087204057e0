"""Colours and names of the models in every figure that compares them, and notes on its table."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes

from behrt.figures.style import PALETTE, QUIET

TOO_FEW = "too few patients to show"


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each model, by its place; beyond sixteen they repeat."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def tasks_of(table: pl.DataFrame) -> list[str]:
    """Return the tasks of a table, in its order."""
    return table["task"].unique(maintain_order=True).to_list()


def models_of(table: pl.DataFrame) -> list[str]:
    """Return the models of a table, in its order."""
    return table["model"].unique(maintain_order=True).to_list()


def facts(table: pl.DataFrame) -> str:
    """Return the protocol of a table, in words."""
    return f"{table['protocol'][0]} protocol" if len(table) else "nothing to show"


def held_out(patients: int | None) -> str:
    """Return a number of held-out patients in words; None stands for a hidden number.

    >>> held_out(1234), held_out(None)
    ('1,234 held-out patients', 'too few held-out patients to show')
    """
    return (
        TOO_FEW.replace("patients", "held-out patients")
        if patients is None
        else (f"{patients:,} held-out patients")
    )


def note_too_few(axes: Axes) -> None:
    """Write in the middle of axes why nothing is drawn there."""
    axes.text(0.5, 0.5, TOO_FEW, transform=axes.transAxes, ha="center", va="center", color=QUIET)
