"""Read codes (version 2) as CALIBER writes them: five characters and two that name the term."""

import polars as pl

CODE = r"^[0-9A-Za-z][0-9A-Za-z.]{4}[0-9A-Za-z]{2}$"


def of_a_list(code: pl.Expr) -> pl.Expr:
    """Return a list's code at seven characters; null if it is none.

    `7004300.0` is `7004300`, which a spreadsheet took for a number. Case counts: `G1a..00` is not
    `G1A..00`.
    """
    bare = code.str.replace(r"^([0-9]{7})\.0$", "${1}")
    return pl.when(bare.str.contains(CODE)).then(bare)


def of_a_record(code: pl.Expr) -> pl.Expr:
    """Return a record's code at five or seven characters; null if it is none.

    Where the dots that fill five characters are left out (`G20`), they are put back.
    """
    bare = code.str.strip_chars()
    short = bare.str.len_chars() < 5
    full = pl.when(short).then(bare.str.pad_end(5, ".")).otherwise(bare)
    return pl.when(full.str.contains(r"^[0-9A-Za-z]+\.*([0-9A-Za-z]{2})?$")).then(
        pl.when(full.str.len_chars().is_in([5, 7])).then(full)
    )


def with_short_forms(entries: pl.DataFrame) -> pl.DataFrame:
    """Add every entry's first five characters, which stand for a record without a term's code.

    Args:
        entries: code String of seven characters, phenotype.

    Returns:
        The same columns, no row twice, sorted.
    """
    short = entries.select(pl.col("code").str.head(5), "phenotype")
    return pl.concat([entries.select("code", "phenotype"), short]).unique().sort(pl.all())
