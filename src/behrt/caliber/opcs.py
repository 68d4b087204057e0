"""OPCS-4 codes of procedures in the forms that HES and CALIBER write, brought to one form."""

import polars as pl

CODE = r"^[A-Z][0-9]{2}[0-9]?$"
MISSING = ("-", "&", "-.", "&.")
"""How HES writes a procedure that is missing, and one that is not known."""

_WRITTEN = r"^([A-Z][0-9]{2})\.?([0-9]?)[X-]*\.?$"


def at_level_4(code: pl.Expr) -> pl.Expr:
    """Return a code without its dot, in upper case, of three or four characters; null for others.

    The filler of a code without a fourth character (X or -) and spaces around it are removed.

    >>> written = ["K40.1", "k401", " K40 ", "K40.X", "-", "&", "K4", "K40.12"]
    >>> pl.DataFrame({"opcs": written}).select(at_level_4(pl.col("opcs")))["opcs"].to_list()
    ['K401', 'K401', 'K40', 'K40', None, None, None, None]
    """
    text = code.str.strip_chars().str.to_uppercase()
    three, fourth = text.str.extract(_WRITTEN, 1), text.str.extract(_WRITTEN, 2)
    return three + fourth
