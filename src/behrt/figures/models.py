"""How models look in every figure that compares them, and what a figure says of its table."""

from collections.abc import Sequence

import polars as pl

from behrt.figures.style import PALETTE


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
