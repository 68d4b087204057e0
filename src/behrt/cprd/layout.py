"""The delivered tables: columns of every generation, and the type of every column that we read.

The registry itself is data, `layouts.toml` beside this module. Readers select columns by
lower-cased header name, so their order and what else there is do not matter; writers use the order
of the first generation.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

ColumnType = Literal["id", "integer", "year", "month", "date", "text"]
REGISTRY = Path(__file__).with_name("layouts.toml")


@dataclass(frozen=True)
class SourceTable:
    """One delivered table.

    Attributes:
        name: our name, lower case.
        generations: delivered column names, in order, in delivered case, by generation.
        types: the columns that extract keeps, by lower-cased name, and how to read them.
        required: of those, the ones a row cannot do without (a blank refuses the row).
        renamed: what deliveries call these columns, lower case, and what we call them.
        also: other spellings of the table in the names of files.
        whole_build: whether each extract of a build brings the same rows again.
    """

    name: str
    generations: dict[str, tuple[str, ...]]
    types: dict[str, ColumnType]
    required: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    whole_build: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first generation, which is the one that is simulated."""
        return next(iter(self.generations.values()))

    def ours(self, delivered: str) -> str:
        """Return our name of a delivered column."""
        name = delivered.lower()
        return self.renamed.get(name, name)

    def theirs(self, ours: str) -> str:
        """Return what the first generation calls a column that is read, lower case."""
        return next(name.lower() for name in self.columns if self.ours(name) == ours)

    def without(self, columns: Iterable[str]) -> "SourceTable":
        """Return the table with some columns, by our names, left unread."""
        kept = {name: kind for name, kind in self.types.items() if name not in set(columns)}
        return replace(self, types=kept)

    def known(self) -> set[str]:
        """Return the names, lower case, that the columns of any generation have."""
        return {name.lower() for columns in self.generations.values() for name in columns}

    def nearest_generation(self, header: Iterable[str]) -> str:
        """Return the generation whose columns differ least from `header` (lower case).

        Of two that differ alike, the one named first.
        """
        delivered = set(header)
        return min(
            self.generations,
            key=lambda name: len(delivered ^ {column.lower() for column in self.generations[name]}),
        )


def read_registry(path: Path) -> dict[str, dict[str, SourceTable]]:
    """Read the tables by family and name.

    Raises:
        ValueError: a generation lacks a column that is read, or a table's entry names one that is
            not.
    """
    families: dict[str, dict[str, SourceTable]] = {}
    for family, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        families[family] = {name: _table(name, entry) for name, entry in entries.items()}
    return families


def _table(name: str, entry: dict[str, Any]) -> SourceTable:
    source_table = SourceTable(
        name,
        {generation: tuple(text.split()) for generation, text in entry["generations"].items()},
        entry["types"],
        tuple(entry["required"]),
        entry.get("renamed", {}),
        tuple(entry.get("also", ())),
        entry.get("whole_build", False),
    )
    _check(source_table)
    return source_table


def _check(source_table: SourceTable) -> None:
    if odd := {*source_table.required, *source_table.renamed.values()} - set(source_table.types):
        raise ValueError(f"{source_table.name}: {', '.join(sorted(odd))} is not among its types")
    for generation, columns in source_table.generations.items():
        names = [source_table.ours(name) for name in columns]
        for name in source_table.types:
            if names.count(name) != 1:
                raise ValueError(f"{source_table.name}, {generation}: not one column {name}")


_FAMILIES = read_registry(REGISTRY)
GOLD = _FAMILIES["gold"]
AURUM = _FAMILIES["aurum"]
LINKED = _FAMILIES["linked"]
LOOK_UPS = _FAMILIES["look_ups"]
