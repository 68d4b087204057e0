"""The diseases that only one sex can have.

`sex_specific.csv` follows a rule: at least half of a phenotype's ICD-10 codes in CALIBER are in
categories whose titles name organs of one sex (`CATEGORIES`). This holds for 25 of the 301
phenotypes; for the next one the share is a third. Breast cancer is not among them, because men have
it too.
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
    """A disease that only one sex can have.

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
        names: the phenotypes. Diseases of this project's own list that are not among them are
            left out, because other code lists have other names.
        path: a list of the user's in place of it: CSV (UTF-8) with a header that begins with
            disease,sex.

    Raises:
        InputError: the user's list has another header, an unknown disease or sex, a disease twice,
            or no disease.
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
            table, "the first line does not begin with disease,sex", "Give the columns these names"
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
            hint = f"Did you mean {near[0]!r}" if near else "Use the names in vocabulary.json"
            raise InputError(where, f"there is no disease {name!r}", hint)
        if index[name] in found:
            raise InputError(where, f"{name!r} is named twice", "Remove one of its lines")
        found[index[name]] = SexSpecific(index[name], name, sex)
    if path and not found:
        raise InputError(path, "it has no disease", "Add one, or remove sex_analysis.diseases")
    return [found[i] for i in sorted(found)]
