"""ICD-10 codes in the forms that HES, CALIBER and other sources write, brought to one form."""

import string

import polars as pl

CODE = r"^[A-Z][0-9]{2}[0-9A-Z]?$"
MISSING = ("-.", "-")
"""How HES writes a diagnosis that is missing."""

# A prefix that names the system, three characters and up to four more, marks (dagger and asterisk
# of dual classification, `-` for "any fourth character", `!` of ICD-10-GM), and a term.
_PREFIX = r"(?:ICD-?10(?:-?(?:CM|GM|WHO))?[:/| ]+)?"
_BARE = r"([A-Z][0-9]{2}(?:\.?[0-9A-Z]{1,4})?)"
_WRITTEN = rf"^{_PREFIX}{_BARE}\.?[-+*†!#]*(?:(?:[:;,|/]|\s)\s*(.*)|-\s*([A-Z].*))?$"
_ANOTHER_CODE = r"^[A-Z][0-9]{2}(?:\.?[0-9A-Z]{1,4})?(?:[^A-Z]|$)"


def at_level_4(code: pl.Expr) -> pl.Expr:
    """Return a code without its dot, in upper case, with at most four characters.

    Null stands for what is not a code with certainty: HES's missing diagnosis (`MISSING`), a code
    with a blank in it, two codes in one value. The filler X of a code without a fourth character
    is removed, and so are marks, a prefix that names the system, and a term after the code.

    >>> written = ["I21.9", "i2191", "I10X", "M10*", "I10.-", "ICD10:I10", "G20 Parkinson's", "-."]
    >>> pl.DataFrame({"icd": written}).select(at_level_4(pl.col("icd")))["icd"].to_list()
    ['I219', 'I219', 'I10', 'M10', 'I10', 'I10', 'G20', None]
    """
    return code.map_batches(_each_once, return_dtype=pl.String, is_elementwise=True)


def _each_once(codes: pl.Series) -> pl.Series:
    """Read every different code once: many rows share few codes."""
    different = codes.unique().to_frame("code").with_columns(level_4=_level_4(pl.col("code")))
    rows = codes.to_frame("code").join(
        different, on="code", how="left", nulls_equal=True, maintain_order="left"
    )
    return rows["level_4"].alias(codes.name)


def _level_4(code: pl.Expr) -> pl.Expr:
    text = code.str.strip_chars().str.to_uppercase()
    bare = text.str.extract(_WRITTEN, 1).str.replace(".", "", literal=True)
    term = pl.coalesce(text.str.extract(_WRITTEN, 2), text.str.extract(_WRITTEN, 3), pl.lit(""))
    short = bare.str.head(4).str.replace("X$", "")
    is_term = (term == "") | (term.str.contains(r"\p{L}{2}") & ~term.str.contains(_ANOTHER_CODE))
    return pl.when(short.str.contains(CODE) & is_term).then(short)


def with_children(entries: pl.DataFrame) -> pl.DataFrame:
    """Add to each entry of three characters every code of four characters that it contains.

    Args:
        entries: code (String, at level 4; see `at_level_4`), phenotype.

    Returns:
        The same columns, without duplicates, sorted.

    >>> listed = pl.DataFrame({"code": ["I10", "I219"], "phenotype": [0, 1]})
    >>> with_children(listed).filter(pl.col("code").is_in(["I10", "I109", "I10A", "I219", "I21"]))
    shape: (4, 2)
    ┌──────┬───────────┐
    │ code ┆ phenotype │
    │ ---  ┆ ---       │
    │ str  ┆ i64       │
    ╞══════╪═══════════╡
    │ I10  ┆ 0         │
    │ I109 ┆ 0         │
    │ I10A ┆ 0         │
    │ I219 ┆ 1         │
    └──────┴───────────┘
    """
    children = (
        entries.filter(pl.col("code").str.len_chars() == 3)
        .join(pl.DataFrame({"fourth": list(string.digits + string.ascii_uppercase)}), how="cross")
        .select(pl.col("code") + pl.col("fourth"), "phenotype")
    )
    return pl.concat([entries.select("code", "phenotype"), children]).unique().sort(pl.all())
