"""Descriptions of the MEDS codes of medications, procedures, tests and measurements."""

import re

import polars as pl

from behrt.concepts import concept_of

_NAMES = {
    "BLOOD_PRESSURE": "Systolic blood pressure",
    "SMOKING": "Smoking",
    "SUBSTANCE": "",
    "OPCS4": "OPCS-4",
    "CALIBER": "Procedure for",
    "CODE": "",
}


def describe(code: pl.Expr) -> pl.Expr:
    """Return the description of each code; null for the codes of other events.

    >>> codes = ["MEDICATION//BNF//0601", "TEST//HbA1c//HIGH", "MEASUREMENT//BMI//BELOW_18.5"]
    >>> frame = pl.DataFrame({"code": [*codes, "PROCEDURE//OPCS4//K401", "VISIT//GP"]})
    >>> frame.select(describe(pl.col("code"))).to_series().to_list()
    ['BNF section 06.01', 'HbA1c: high', 'BMI: below 18.5', 'OPCS-4 K40.1', None]
    """
    return code.map_elements(_described, return_dtype=pl.String)


def _described(code: str) -> str | None:
    concept = concept_of(code)
    if concept is None:
        return None
    kind, _, value = code.split("//", 1)[1].partition("//")
    if not value:
        return kind
    if kind == "BNF":
        return f"BNF section {value[:2]}.{value[2:]}" if value[2:] else f"BNF chapter {value}"
    if kind == "OPCS4" and len(value) > 3:
        value = f"{value[:3]}.{value[3:]}"
    name = _NAMES.get(kind, kind)
    if concept in ("tests", "measurements"):
        *more, level = value.split("//")
        words = re.sub(r"^BELOW_(.*)$", r"below \1", re.sub(r"^FROM_(.*)$", r"\1 or more", level))
        plain = words.lower() if words.isupper() else words
        return f"{' '.join([name, *more])}: {plain}"
    return f"{name} {value.replace('//', ' ')}".strip()
