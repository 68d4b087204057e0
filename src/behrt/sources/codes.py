"""What a source's codes are: the code systems, how each is recognised, and what is a diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from behrt.caliber import icd, read_codes
from behrt.caliber.lists import CODE_PREFIX
from behrt.errors import InputError


def _icd9(code: pl.Expr) -> pl.Expr:
    """Return an ICD-9-CM code undotted, in upper case; null if it is none."""
    bare = code.str.strip_chars().str.to_uppercase().str.replace_all(".", "", literal=True)
    return pl.when(bare.str.contains(r"^([0-9]{3}|V[0-9]{2}|E[0-9]{3})[0-9]{0,2}$")).then(bare)


def _phenotype(code: pl.Expr) -> pl.Expr:
    return pl.when(code != "").then(code)


SYSTEMS = {
    "icd10": icd.at_level_4,
    "icd9cm": _icd9,
    "read": read_codes.of_a_record,
    "caliber": _phenotype,
}
"""How a code of each system is brought to the form that its list has; null if it is no code.

`icd10` serves ICD-10-CM too: its codes are read at level 4, as are those of hospitals in England.
`caliber` is the name of a phenotype, as this workflow writes it into MEDS.
"""


@dataclass(frozen=True)
class Prefix:
    """Codes that begin like this are of that system.

    Attributes:
        prefix: a regular expression for what stands before the code itself; may be empty.
        system: a key of SYSTEMS.
    """

    prefix: str
    system: str

    @property
    def pattern(self) -> str:
        """Return the expression, bound to the beginning of the code."""
        return f"^(?:{self.prefix})"


@dataclass(frozen=True)
class Codes:
    """Which codes count.

    Attributes:
        prefixes: tried in this order; the first that fits, with a code of its system after it,
            tells the system.
        own: regular expressions for the beginning of codes that are words as they stand, unless
            a list maps them; None for every dated code that is nothing else.
    """

    prefixes: tuple[Prefix, ...]
    own: tuple[str, ...] | None

    @classmethod
    def read(
        cls, systems: Sequence[Mapping[str, Any]], own: Sequence[str] | None, lists: bool
    ) -> "Codes":
        """Read config: `systems` and `own`; without code `lists`, no `own` means all codes.

        Raises:
            InputError: an unknown system, or an expression that is none.
        """
        prefixes = tuple(
            [Prefix(CODE_PREFIX, "caliber")]
            + [Prefix(str(item["prefix"]), str(item["system"])) for item in systems]
        )
        for item in prefixes:
            if item.system not in SYSTEMS:
                raise InputError(
                    "config, systems",
                    f"no system {item.system!r}",
                    f"Use one of {', '.join(SYSTEMS)}",
                )
        chosen = None if own is None and not lists else tuple(own or ())
        for pattern in (*(item.prefix for item in prefixes), *(chosen or ())):
            check_pattern(pattern)
        return cls(prefixes, chosen)

    def has_prefix(self, code: pl.Expr) -> pl.Expr:
        """Return whether a code begins with any of the prefixes."""
        return pl.any_horizontal(code.str.contains(item.pattern) for item in self.prefixes)

    def is_own(self, code: pl.Expr) -> pl.Expr:
        """Return whether a code may be a word as it stands."""
        if self.own is None:
            return pl.lit(True)
        if not self.own:
            return pl.lit(False)
        return pl.any_horizontal(code.str.contains(f"^(?:{pattern})") for pattern in self.own)


def check_pattern(pattern: str) -> None:
    """Refuse what is no regular expression, in the syntax of Rust's regex.

    Raises:
        InputError: naming it.
    """
    try:
        pl.Series([""]).str.contains(f"^(?:{pattern})")
    except pl.exceptions.ComputeError:
        raise InputError(
            "config", f"{pattern!r} is no regular expression", "See docs.rs/regex for its syntax"
        ) from None


def recognise(codes: pl.DataFrame, prefixes: Sequence[Prefix]) -> pl.DataFrame:
    """Add to distinct codes `system` and `bare`, the code of that system; null where it has none.

    Args:
        codes: code String.
        prefixes: in their order.
    """
    code = pl.col("code")
    found: dict[str, list[pl.Expr]] = {"system": [], "bare": []}
    for item in prefixes:
        rest = SYSTEMS[item.system](code.str.replace(item.pattern, ""))
        bare = pl.when(code.str.contains(item.pattern)).then(rest)
        found["bare"].append(bare)
        found["system"].append(pl.when(bare.is_not_null()).then(pl.lit(item.system)))
    return codes.with_columns(pl.coalesce(exprs).alias(name) for name, exprs in found.items())


def read_crosswalk(path: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read a crosswalk from ICD-9-CM to ICD-10: a CSV file with a header and two columns.

    The first column is an ICD-9-CM code, the second an ICD-10 or ICD-10-CM code; dots, case and
    the names of the columns do not matter. A code may have several rows.

    Returns:
        code (ICD-9-CM, undotted) and icd10 (level 4), no row twice; and how many rows were read,
        and refused by reason.

    Raises:
        InputError: it cannot be read, has not two columns, or no row can be used.
    """
    mend = "Give a CSV file with a header and two columns: ICD-9-CM code, ICD-10 code"
    try:
        rows = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "cannot be read as CSV", mend) from None
    if rows.width != 2:
        raise InputError(path, f"has {rows.width} columns, not two", mend)
    rows.columns = ["icd9", "icd10"]
    typed = rows.select(code=_icd9(pl.col("icd9")), icd10=icd.at_level_4(pl.col("icd10")))
    pairs = typed.drop_nulls().unique().sort(pl.all())
    if pairs.is_empty():
        raise InputError(path, "no row has an ICD-9-CM and an ICD-10 code", mend)
    bad = typed["code"].is_null()
    manifest = {
        "rows_read": rows.height,
        "pairs": pairs.height,
        "rows_refused": {
            "not an ICD-9-CM code": int(bad.sum()),
            "not an ICD-10 code": int((~bad & typed["icd10"].is_null()).sum()),
        },
    }
    return pairs, manifest
