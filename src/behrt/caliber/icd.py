"""ICD-10 codes as HES and CALIBER write them, brought to one form."""

import string

import polars as pl

CODE = r"^[A-Z][0-9]{2}[0-9A-Z]?$"
MISSING = ("-.", "-")


def at_level_4(code: pl.Expr) -> pl.Expr:
    """Return a code undotted, in upper case, at four characters at most; null if it is no code.

    `I21.9`, `i219` and `I2191` become `I219`; the filler X of a code without a fourth character
    goes (`I10X` is `I10`); HES's missing diagnosis, one of `MISSING`, becomes null.
    """
    bare = code.str.strip_chars().str.to_uppercase().str.replace_all(".", "", literal=True)
    short = bare.str.head(4).str.replace("X$", "")
    return pl.when(short.str.contains(CODE)).then(short)


def with_children(entries: pl.DataFrame) -> pl.DataFrame:
    """Add to entries of three characters every code of four that falls under them.

    Args:
        entries: code String at level 4 (`at_level_4`), phenotype.

    Returns:
        The same columns, no row twice, sorted.
    """
    children = (
        entries.filter(pl.col("code").str.len_chars() == 3)
        .join(pl.DataFrame({"fourth": list(string.digits + string.ascii_uppercase)}), how="cross")
        .select(pl.col("code") + pl.col("fourth"), "phenotype")
    )
    return pl.concat([entries.select("code", "phenotype"), children]).unique().sort(pl.all())
