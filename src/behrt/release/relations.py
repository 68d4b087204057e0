"""How the numbers of patients in the tables add up (`relations.toml`)."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from behrt.evaluation.population import Key
from behrt.tasks import ELIGIBLE, LABELLED, key_of

DATA = Path(__file__).with_name("relations.toml")

Sums = list[tuple[Key, list[Key]]]


@dataclass(frozen=True)
class Relation:
    """The numbers in some rows of some tables; names of numbers have columns in braces.

    Attributes:
        tables: patterns of their names.
        where: a pattern for the value of each of some columns.
        counts: by column, the name of the number in it.
        sums: names of a whole and its parts, for each sum.
        totals: names of a whole, and of the part of it in each row.
    """

    tables: Sequence[str]
    where: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, str] = field(default_factory=dict)
    sums: Sequence[Sequence[str]] = ()
    totals: Sequence[Sequence[str]] = ()

    def rows(self, name: str, table: pl.DataFrame) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table that the relation is about."""
        if not any(fnmatchcase(name, pattern) for pattern in self.tables):
            return
        facts = _data()[0].get(name, {})
        for row in table.iter_rows(named=True):
            if "task" in row:
                row["base"] = key_of(row["task"])
                row["population"] = LABELLED if row["base"] == row["task"] else ELIGIBLE
            row |= {fact: text.format(**row) for fact, text in facts.items()}
            if all(fnmatchcase(str(row[column]), text) for column, text in self.where.items()):
                yield row


@cache
def _data() -> tuple[dict[str, dict[str, str]], list[Relation]]:
    read = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return read["facts"], [Relation(**relation) for relation in read["relations"]]


def tables_related() -> list[str]:
    """Return the patterns of the names of all tables with known relations."""
    return sorted({pattern for relation in _data()[1] for pattern in relation.tables})


def _key(name: str, row: Mapping[str, Any]) -> Key:
    whose, which, what = (part.format(**row) for part in name.split("|"))
    return whose, which, what


def numbers_in(name: str, table: pl.DataFrame) -> tuple[list[tuple[Key, int]], Sums]:
    """Return the numbers in a published table, and which of them are sums of others.

    Args:
        name: the name of the table.
        table: as published; a number that is not shown is null.
    """
    numbers: dict[tuple[Key, int], None] = {}
    sums: dict[tuple[Key, tuple[Key, ...]], None] = {}
    for relation in _data()[1]:
        totals: dict[Key, dict[Key, None]] = {}
        for row in relation.rows(name, table):
            for column, number in relation.counts.items():
                if row[column] is not None:
                    numbers[_key(number, row), row[column]] = None
            for whole, *parts in relation.sums:
                sums[_key(whole, row), tuple(_key(part, row) for part in parts)] = None
            for whole, part in relation.totals:
                totals.setdefault(_key(whole, row), {})[_key(part, row)] = None
        sums |= {(whole, tuple(parts)): None for whole, parts in totals.items()}
    return list(numbers), [(whole, list(parts)) for whole, parts in sums if parts != (whole,)]
