"""Which diseases only one sex can have.

The rule behind `sex_specific.csv`: at least half of a phenotype's ICD-10 codes in CALIBER lie in
categories that ICD-10's titles give to organs of one sex (`CATEGORIES`). Of the 301 phenotypes 25
do; the next has a third. Breast cancer is none of them, as men have it too.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from behrt.errors import InputError

TABLE = Path(__file__).with_name("sex_specific.csv")
SEXES = {"male": 1, "female": 2}
"""The sexes' numbers in the cohort and the sequences; 0 is unknown."""

CATEGORIES = {
    "female": (
        ("C51", "C58"),
        ("D06", "D06"),
        ("D25", "D28"),
        ("E28", "E28"),
        ("N70", "N77"),
        ("N80", "N98"),
    ),
    "male": (("B260", "B260"), ("C60", "C63"), ("D29", "D29"), ("N40", "N51"), ("Q53", "Q55")),
}
"""First and last ICD-10 code, both included."""


@dataclass(frozen=True)
class SexSpecific:
    """A disease that one sex alone can have.

    Attributes:
        disease: its index in the vocabulary.
        name: its name there.
        sex: "male" or "female".
    """

    disease: int
    name: str
    sex: str

    @property
    def own(self) -> int:
        """Return the number of the sex that can have it."""
        return SEXES[self.sex]

    @property
    def other(self) -> int:
        """Return the number of the sex that cannot."""
        return sum(SEXES.values()) - self.own


def read_sex_specific(names: Sequence[str], path: Path | None = None) -> list[SexSpecific]:
    """Return the diseases of one sex, in the order of the names.

    Args:
        names: the phenotypes. Those of this project's own table that are not among them are left
            out, as other code lists have other names.
        path: a table of the user's in place of it: CSV (UTF-8) whose header begins with
            disease,sex.

    Raises:
        InputError: the user's table has another header, an unknown disease or sex, a disease
            twice, or none.
    """
    table = path or TABLE
    try:
        lines = [*csv.reader(table.read_text(encoding="utf-8-sig").splitlines(), strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            table, "it cannot be read as a CSV file in UTF-8", "Save it as one"
        ) from error
    if not lines or lines[0][:2] != ["disease", "sex"]:
        raise InputError(
            table, "the first line does not begin with disease,sex", "Name the two columns so"
        )
    index = {name: i for i, name in enumerate(names)}
    found: dict[int, SexSpecific] = {}
    for number, row in enumerate(lines[1:], start=2):
        where = f"{table}, line {number}"
        if len(row) != len(lines[0]):
            raise InputError(where, f"it has {len(row)} values", f"Write {len(lines[0])}")
        name, sex = row[:2]
        if sex not in SEXES:
            raise InputError(where, f"there is no sex {sex!r}", "Write male or female")
        if name not in index:
            if path is None:
                continue
            near = get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]!r}" if near else "Take names from vocabulary.json"
            raise InputError(where, f"there is no disease {name!r}", hint)
        if index[name] in found:
            raise InputError(where, f"{name!r} is named twice", "Remove one of its lines")
        found[index[name]] = SexSpecific(index[name], name, sex)
    if path and not found:
        raise InputError(path, "it names no disease", "Add some, or leave it out of the config")
    return [found[i] for i in sorted(found)]
