"""How models and tasks look in every figure that compares them."""

from collections.abc import Sequence

import polars as pl

from behrt.figures.style import PALETTE

TASKS = {
    "T1": "T1: next visit",
    "T2": "T2: next 6 months",
    "T3": "T3: next 12 months",
    "T2_all": "T2, all eligible patients",
    "T3_all": "T3, all eligible patients",
}


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
    """Return what all rows of a table have in common, in words."""
    return f"{table['protocol'][0]} protocol" if len(table) else "nothing to show"
