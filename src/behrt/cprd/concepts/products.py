"""Products of CPRD's product dictionary: the chapters and sections of the BNF, and the substances.

The dictionary writes the code of the British National Formulary (BNF), four numbers of two digits,
in several ways: `02050501`, `2050501` where a program has removed the 0 at its start, `2.5.5.1`,
and several codes with `/` between them. `00000000` is no code.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import dataframely as dy
import polars as pl

from behrt.concepts import PREFIXES
from behrt.cprd.concepts.look_ups import LookUpFile, read_look_up
from behrt.errors import InputError

Level = Literal["chapter", "section", "substance"]

BNF = PREFIXES["medications"] + "BNF//"
SUBSTANCE = PREFIXES["medications"] + "SUBSTANCE//"
LAST_CHAPTER = 23
"""1 to 15 are medicines, 18 and 19 other products, 20 to 23 appliances (BNF of NHS Prescription
Services)."""

_DIGITS = re.compile(r"0?([0-9]{7})|([0-9]{8})")
_DOTTED = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2}){1,3}\.?")
_COLUMNS = {
    "prodcode": ("prodcode", "prodcodeid"),
    "substance": ("drugsubstance", "drugsubstancename"),
    "bnfcode": ("bnfcode",),
    "bnfchapter": ("bnfchapter",),
}


class Products(dy.Schema):
    """One row per product that has a code at the level of the run."""

    prodcode = dy.Int64(primary_key=True, min=1)
    events = dy.List(dy.String(), min_length=1)


@dataclass(frozen=True)
class Written:
    """What a text says of the BNF.

    Attributes:
        codes: of eight digits, in the order in which they are written, each once.
        form: how they are written: "none", "eight digits", "seven digits", "dotted", "several" or
            "not read".
    """

    codes: tuple[str, ...]
    form: str


def read_bnf(text: str | None) -> Written:
    """Read what the dictionary has in bnfcode or bnfchapter.

    A part of several that cannot be read is left out.

    >>> read_bnf("02050501"), read_bnf("2.5.5.1").codes
    (Written(codes=('02050501',), form='eight digits'), ('02050501',))
    >>> read_bnf("2050501/ 04070100"), read_bnf("00000000").form
    (Written(codes=('02050501', '04070100'), form='several'), 'none')
    """
    pieces = [piece.strip() for piece in (text or "").split("/")]
    pieces = [piece for piece in pieces if piece and set(piece) - {"0", "."}]
    if not pieces:
        return Written((), "none")
    read = [_read_one(piece) for piece in pieces]
    codes = tuple(dict.fromkeys(code for code, _ in read if code))
    if not codes:
        return Written((), "not read")
    return Written(codes, "several" if len(pieces) > 1 else read[0][1])


def _read_one(piece: str) -> tuple[str | None, str]:
    if _DOTTED.fullmatch(piece):
        numbers = [int(number) for number in piece.strip(".").split(".")]
        code, form = "".join(f"{number:02d}" for number in numbers).ljust(8, "0"), "dotted"
    elif _DIGITS.fullmatch(piece):
        form = "eight digits" if len(piece) == 8 else "seven digits"
        code = piece.rjust(8, "0")
    else:
        return None, "not read"
    return (code, form) if 1 <= int(code[:2]) <= LAST_CHAPTER else (None, "not read")


def read_substances(text: str | None) -> list[str]:
    """Return the substances of a product, in lower case.

    >>> read_substances("Losartan potassium/Hydrochlorothiazide")
    ['losartan potassium', 'hydrochlorothiazide']
    """
    names = (" ".join(name.lower().split()) for name in (text or "").split("/"))
    return list(dict.fromkeys(name for name in names if name))


def read_products(file: LookUpFile, level: Level) -> tuple[dy.DataFrame[Products], dict[str, Any]]:
    """Read the MEDS codes of each product from the product dictionary of GOLD or of Aurum.

    A code of the BNF without a section is none at the level of sections.

    Returns:
        The products with a code, and a manifest: products, products_with_a_code, how their BNF is
        written, rows without a product code, and codes.

    Raises:
        InputError: the dictionary has no BNF code, or no substance, or cannot be read.
    """
    optional = ["bnfcode", "bnfchapter", *([] if level == "substance" else ["substance"])]
    rows = read_look_up(file, _COLUMNS, optional)
    forms: Counter[str] = Counter()
    without_code = 0
    found: dict[int, dict[str, None]] = {}
    for text, substance, bnfcode, bnfchapter in rows.select(*_COLUMNS).iter_rows():
        if text is None or not text.isdigit() or not 0 < int(text) < 2**63:
            without_code += 1
            continue
        events = found.setdefault(int(text), {})
        if level == "substance":
            events.update((SUBSTANCE + name, None) for name in read_substances(substance))
            continue
        written = read_bnf(bnfcode)
        if not written.codes:
            other = read_bnf(bnfchapter)
            written = other if other.codes else written
        forms[written.form] += 1
        digits = 2 if level == "chapter" else 4
        kept = (code[:digits] for code in written.codes if code[digits - 2 : digits] != "00")
        events.update((BNF + code, None) for code in kept)
    coded = {prodcode: list(events) for prodcode, events in sorted(found.items()) if events}
    if not coded:
        what = "substance" if level == "substance" else f"BNF code with a {level}"
        other_level = "section" if level == "substance" else "substance"
        raise InputError(
            file.member or file.path.name,
            f"none of its {len(found)} products has a {what}",
            f"Give another dictionary in `concepts.look_ups.product`, or set "
            f"`concepts.medications.level` to {other_level}",
        )
    products = Products.validate(
        pl.DataFrame(
            {"prodcode": list(coded), "events": list(coded.values())},
            schema={"prodcode": pl.Int64, "events": pl.List(pl.String)},
        )
    )
    return products, {
        "products": len(found),
        "products_with_a_code": len(coded),
        "bnf_is_written_as": dict(sorted(forms.items())),
        "rows_without_a_product_code": without_code,
        "codes": len({event for events in coded.values() for event in events}),
    }
