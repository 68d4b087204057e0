"""The codes of a source: the code systems, how each is recognised, and what is a diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from behrt.caliber import icd, read_codes, snomed
from behrt.caliber.lists import CODE_PREFIX
from behrt.errors import InputError

_CERTAINTY = r"(?i)^([A-Z][0-9]{2}(?:\.?[0-9]{1,2})?)(?:\s+G)?(?:\s*[RLB])?$"
"""ICD-10-GM with `G`, a certain diagnosis, or the side of the body after the code."""

_DOUBTFUL = (
    r"(?i)^[A-Z][0-9]{2}(?:(?:\.?[0-9]{1,2})?[AVZ]|[0-9A-Z]\..*|[E-WY].*"
    r"|\S*[ :|-]+(?:z\. ?n|v\. ?[ad]|ausg|excl|susp|verd|rule).*)$"
)
"""Codes that begin like an ICD-10 code but are not certain to be one.

Sites in Germany mark a diagnosis that is excluded, suspected or past by A, V or Z after the code.
`C10F.` and `G573.` are Read codes.
"""

_CERTAIN = r"(?i)^(?:F32\.?|C96\.?)[AZ]$"
"""Codes of ICD-10-CM that end like a doubtful one; ICD-10-GM has no `F32` and `C96` alone."""

_ICD9 = r"(?:[0-9]{3}|V[0-9]{2})(?:\.?[0-9]{1,2})?|E(?:0[0-2][0-9]|030|[89][0-9]{2})(?:\.?[0-9])?"
"""ICD-9-CM: diseases, V codes, and E codes, which are E000 to E030 and E800 to E999."""


def _icd10(code: pl.Expr) -> pl.Expr:
    """Return an ICD-10 or ICD-10-CM code at level 4; null if it is none with certainty."""
    text = code.str.strip_chars()
    alone = pl.coalesce(text.str.extract(_CERTAINTY, 1), text)
    doubtful = text.str.contains(_DOUBTFUL) & ~text.str.contains(_CERTAIN)
    return pl.when(~doubtful).then(icd.at_level_4(alone))


def _icd9(code: pl.Expr) -> pl.Expr:
    """Return an ICD-9-CM code without its dot, in upper case; null if it is none."""
    text = code.str.strip_chars().str.to_uppercase()
    bare = text.str.extract(rf"^({_ICD9})(?:(?:\s*[|:;,-]\s*|\s+)\p{{L}}{{3}}.*)?$", 1)
    return bare.str.replace_all(".", "", literal=True)


def _snomed(code: pl.Expr) -> pl.Expr:
    """Return the id of a SNOMED CT concept; null if it is none."""
    concept = snomed.CONCEPT.strip("^$")
    return code.str.strip_chars().str.extract(rf"^({concept})(?:[|: -]+\p{{L}}.*)?$", 1)


def _phenotype(code: pl.Expr) -> pl.Expr:
    return pl.when(code != "").then(code)


SYSTEMS = {
    "icd10": _icd10,
    "icd9cm": _icd9,
    "read": read_codes.of_a_record,
    "snomed": _snomed,
    "caliber": _phenotype,
}
"""How a code of each system is brought to the form of its list; null if it is not a code.

`icd10` includes ICD-10-CM: its codes are read at level 4, as those of hospitals in England are.
`caliber` is the name of a phenotype, as this workflow writes it into MEDS.
"""

_ONLY_READ = r"^[0-9A-Za-z]+\.\."
"""Two dots that fill a code, which no other system has."""

SEVERAL = "several"
"""The system of a code that fits several systems."""


@dataclass(frozen=True)
class Prefix:
    """Codes that begin like this belong to that system.

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
        prefixes: tried in this order.
        own: regular expressions for the beginning of codes that become words unchanged, unless
            a list maps them; None for every code of a diagnosis.
        ambiguous: the system of codes that fit several systems; None to refuse such codes.
    """

    prefixes: tuple[Prefix, ...]
    own: tuple[str, ...] | None
    ambiguous: str | None = None

    @classmethod
    def read(
        cls,
        systems: Sequence[Mapping[str, Any]],
        own: Sequence[str] | None,
        lists: bool,
        ambiguous: str | None = None,
    ) -> "Codes":
        """Read config: `systems`, `own` and `ambiguous`; without code `lists`, no `own` means all.

        Raises:
            InputError: an unknown system, or a text that is not a regular expression.
        """
        prefixes = tuple(
            [Prefix(CODE_PREFIX, "caliber")]
            + [Prefix(str(item["prefix"]), str(item["system"])) for item in systems]
        )
        for system in [item.system for item in prefixes] + ([ambiguous] if ambiguous else []):
            if system not in SYSTEMS:
                raise InputError(
                    "config, systems",
                    f"there is no system {system!r}",
                    f"Use one of {', '.join(SYSTEMS)}",
                )
        chosen = None if own is None and not lists else tuple(own or ())
        for pattern in (*(item.prefix for item in prefixes), *(chosen or ())):
            check_pattern(pattern)
        return cls(prefixes, chosen, ambiguous)

    def has_prefix(self, code: pl.Expr) -> pl.Expr:
        """Return whether a code begins with any of the prefixes."""
        return pl.any_horizontal(code.str.contains(item.pattern) for item in self.prefixes)

    def is_own(self, code: pl.Expr) -> pl.Expr:
        """Return whether the code of a diagnosis may become a word unchanged."""
        if self.own is None:
            return pl.lit(True)
        if not self.own:
            return pl.lit(False)
        return pl.any_horizontal(code.str.contains(f"^(?:{pattern})") for pattern in self.own)

    def is_diagnosis(self, code: pl.Expr, dated: pl.Expr) -> pl.Expr:
        """Return whether an event of a MEDS dataset is a diagnosis.

        It is if it has a prefix; or if `own` names it and it is dated. Codes that neither names,
        such as laboratory tests, are none.
        """
        named = self.is_own(code) & dated if self.own else pl.lit(False)
        return self.has_prefix(code) | named


def check_pattern(pattern: str) -> None:
    """Refuse a text that is not a regular expression, in the syntax of Rust's regex.

    Raises:
        InputError: naming it.
    """
    try:
        pl.Series([""]).str.contains(f"^(?:{pattern})")
    except pl.exceptions.ComputeError:
        raise InputError(
            "config", f"{pattern!r} is not a regular expression", "See docs.rs/regex for its syntax"
        ) from None


def recognise(
    codes: pl.DataFrame, prefixes: Sequence[Prefix], ambiguous: str | None = None
) -> pl.DataFrame:
    """Add to distinct codes `system` and `bare`, the code of that system; null where it has none.

    1. A code of a known concept belongs to the system of the concept's vocabulary, or to none.
    2. A code that names its system, by a prefix that is not empty, belongs to it; the first prefix
       counts, if a code of its system follows.
    3. Any other code belongs to the one system that it fits among those whose prefix is empty. If
       it fits several, as `E8490` fits ICD-10 and ICD-9-CM, it belongs to `ambiguous`. If that is
       None, only the systems count that some code of the data shows, as it fits no other system.
       If several are left, the system is SEVERAL, and `bare` is null.

    Read codes that two dots show are a further system in step 3, also where no prefix names Read:
    other codes of such data may look like ICD-10.

    Args:
        codes: code String; optionally vocabulary, a key of SYSTEMS or "" for another vocabulary,
            null where no concept is known, and concept_code String.
        prefixes: in their order.
        ambiguous: a key of SYSTEMS, or None.

    >>> bare = [Prefix("", "icd10"), Prefix("", "icd9cm")]
    >>> recognise(pl.DataFrame({"code": ["I10", "4019", "E8490"]}), bare).rows()
    [('I10', 'icd10', 'I10'), ('4019', 'icd9cm', '4019'), ('E8490', 'several', None)]
    >>> recognise(pl.DataFrame({"code": ["I10", "E8490"]}), bare).rows()
    [('I10', 'icd10', 'I10'), ('E8490', 'icd10', 'E849')]
    """
    if "vocabulary" not in codes.columns:
        none = pl.lit(None, pl.String)
        unknown = codes.with_columns(vocabulary=none, concept_code=none)
        return recognise(unknown, prefixes, ambiguous).drop("vocabulary", "concept_code")
    code, vocabulary = pl.col("code"), pl.col("vocabulary")
    certain = [
        pl.when(vocabulary == system).then(_found(system, read(pl.col("concept_code"))))
        for system, read in SYSTEMS.items()
    ]
    certain.append(pl.when(vocabulary.is_not_null()).then(_found(None, pl.lit(None, pl.String))))
    fits: dict[str, list[pl.Expr]] = {}
    for item in prefixes:
        rest = code.str.replace(item.pattern, "")
        bare = pl.when(code.str.contains(item.pattern)).then(SYSTEMS[item.system](rest))
        certain.append(pl.when(bare.is_not_null() & (rest != code)).then(_found(item.system, bare)))
        fits.setdefault(item.system, []).append(pl.when(rest == code).then(bare))
    listed = list(fits)
    if codes["code"].str.contains(_ONLY_READ).any():
        fits.setdefault("read", [SYSTEMS["read"](code)])
    known = codes.with_columns(
        pl.coalesce(certain).alias("found"),
        **{f"fits {system}": pl.coalesce(expressions) for system, expressions in fits.items()},
    )
    is_open = pl.col("found").is_null()
    fitting = {system: is_open & pl.col(f"fits {system}").is_not_null() for system in fits}
    number = pl.sum_horizontal(fitting.values())
    shown = [
        system
        for system, fit in fitting.items()
        if known.select(
            (fit & (number == 1)).any() | (pl.col("found").struct["system"] == system).any()
        ).item()
    ]
    left = pl.sum_horizontal(pl.lit(0), *(fitting[system] for system in shown))
    order = sorted(listed, key=lambda system: system != ambiguous)
    chosen = [
        pl.when(
            fitting[system]
            & (
                (number == 1)
                | pl.lit(system == ambiguous)
                | (pl.lit(system in shown) & (left == 1))
            )
        ).then(_found(system, pl.col(f"fits {system}")))
        for system in order
    ]
    several = pl.when(number > 1).then(_found(SEVERAL, pl.lit(None, pl.String)))
    return known.select(
        *codes.columns,
        pl.coalesce("found", *chosen, several).struct.unnest(),
    )


def _found(system: str | None, bare: pl.Expr) -> pl.Expr:
    return pl.struct(system=pl.lit(system, pl.String), bare=bare)


def read_crosswalk(path: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read a crosswalk from ICD-9-CM to ICD-10: a CSV file with a header and two columns.

    The first column is an ICD-9-CM code, the second an ICD-10 or ICD-10-CM code; dots, case and
    the names of the columns do not matter. A code may have several rows.

    Returns:
        code (ICD-9-CM, undotted) and icd10 (level 4), no row twice; and how many rows were read,
        and refused by reason.

    Raises:
        InputError: it cannot be read, does not have two columns, or no row can be used.
    """
    advice = "Give a CSV file with a header and two columns: ICD-9-CM code, ICD-10 code"
    try:
        rows = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "it cannot be read as CSV", advice) from None
    if rows.width != 2:
        raise InputError(path, f"it has {rows.width} columns, not two", advice)
    rows.columns = ["icd9", "icd10"]
    typed = rows.select(code=_icd9(pl.col("icd9")), icd10=_icd10(pl.col("icd10")))
    pairs = typed.drop_nulls().unique().sort(pl.all())
    if pairs.is_empty():
        raise InputError(path, "no row has an ICD-9-CM and an ICD-10 code", advice)
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
