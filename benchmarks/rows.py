"""The rows that a benchmark writes, from which docs/benchmarks.md is made.

A benchmark calls `add_rows_option` on its parser and `write_rows` at its end:

    add_rows_option(parser)
    ...
    write_rows(given.rows, [Row("20 M rows, one thread", "extract", "CPU s", 9.8, 12.2, "DuckDB")])

It runs as `python benchmarks/<name>.py`, so that `from rows import ...` finds this module.
"""

import argparse
import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measure of this project, and of the peer that did the same work in the same run."""

    case: str
    """The work and its size, with the number of threads."""

    measure: str
    """What is measured, such as "training" or "peak memory"."""

    unit: str
    """Such as "CPU s", "MB" or "tokens/s". More is better only of a rate, a unit with a slash."""

    ours: float
    """The median of the repetitions."""

    peer: float | None = None
    """The same of the peer, or None where there is no peer."""

    peer_name: str = ""


def add_rows_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--rows FILE`."""
    parser.add_argument("--rows", type=Path, metavar="FILE", help="write the measures as CSV")


def write_rows(path: Path | None, rows: Iterable[Row]) -> None:
    """Write rows as CSV with a header; without a path (no `--rows`), write nothing."""
    if path is None:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Row)])
        writer.writerows(astuple(row) for row in rows)


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` has written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                case=line["case"],
                measure=line["measure"],
                unit=line["unit"],
                ours=float(line["ours"]),
                peer=float(line["peer"]) if line["peer"] else None,
                peer_name=line["peer_name"],
            )
            for line in csv.DictReader(file)
        ]
