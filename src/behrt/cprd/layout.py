"""The source tables: columns of every generation, and the type of every column that is read.

The registry is data: `layouts.toml` in this folder. Readers select columns by header name in lower
case, so the order of columns and any others do not matter. Writers use the order of the first
generation.
"""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

ColumnType = Literal["id", "integer", "year", "date", "text"]
REGISTRY = Path(__file__).with_name("layouts.toml")


@dataclass(frozen=True)
class SourceTable:
    """One source table.

    Attributes:
        name: our name, lower case.
        generations: delivered column names, in order, in delivered case, by generation.
        types: the columns that the extraction keeps, by name in lower case, and their types.
        required: those of them that must not be blank (a blank refuses the row).
        renamed: names of these columns in deliveries, lower case, and ours.
        also: other spellings of the source table in the names of files.
        whole_build: whether each extract of a build has the same rows.
        only_for: of those columns, the ones that are read only with an input of the run, by input
            (`behrt.concepts`).
    """

    name: str
    generations: dict[str, tuple[str, ...]]
    types: dict[str, ColumnType]
    required: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    whole_build: bool = False
    only_for: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first generation, which is the simulated one."""
        return next(iter(self.generations.values()))

    def ours(self, delivered: str) -> str:
        """Return our name of a delivered column."""
        name = delivered.lower()
        return self.renamed.get(name, name)

    def theirs(self, ours: str) -> str:
        """Return the first generation's name, lower case, of a column that is read."""
        return next(name.lower() for name in self.columns if self.ours(name) == ours)

    def unread(self, inputs: Collection[str]) -> list[str]:
        """Return the columns, by our names, that a run with these inputs does not read."""
        read = {name for concept in inputs for name in self.only_for.get(concept, ())}
        extra = {name for names in self.only_for.values() for name in names}
        return [name for name in self.types if name in extra - read]

    def without(self, columns: Iterable[str]) -> "SourceTable":
        """Return the source table without some columns, by our names."""
        kept = {name: kind for name, kind in self.types.items() if name not in set(columns)}
        return replace(self, types=kept)

    def known(self) -> set[str]:
        """Return the names, lower case, of the columns of all generations."""
        return {name.lower() for columns in self.generations.values() for name in columns}

    def nearest_generation(self, header: Iterable[str]) -> str:
        """Return the generation whose columns differ least from `header` (lower case).

        Of two that differ equally, the first one.
        """
        delivered = set(header)
        return min(
            self.generations,
            key=lambda name: len(delivered ^ {column.lower() for column in self.generations[name]}),
        )


def read_registry(path: Path) -> dict[str, dict[str, SourceTable]]:
    """Read the source tables by family and name.

    Raises:
        ValueError: a generation lacks a column that is read, or an entry names a column that is
            not read.
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
        {name: tuple(columns) for name, columns in entry.get("only_for", {}).items()},
    )
    _check(source_table)
    return source_table


def _check(source_table: SourceTable) -> None:
    named = {*source_table.required, *source_table.renamed.values()}
    named.update(*source_table.only_for.values())
    if odd := named - set(source_table.types):
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
