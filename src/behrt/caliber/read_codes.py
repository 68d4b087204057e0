"""Read codes (version 2): five characters, and two more that name the term.

CALIBER's lists write all seven characters. Records write five or seven, some with the term after
the code or a prefix that names the system before it.
"""

import polars as pl

CODE = r"^[0-9A-Za-z][0-9A-Za-z.]{4}[0-9A-Za-z]{2}$"

# A hyphen begins a term only after a code of full length: EMIS writes `C34-1` for a synonym.
_PREFIX = r"(?:(?i:Read(?:[ _-]?(?:code|v2|2))?)[:/|]\s*)?"
_WITH_TERM = (
    r"([0-9A-Za-z][0-9A-Za-z.]{4}(?:[0-9A-Za-z]{2})?)(?:\s*[-:;,|]\s*|\s+)[^0-9A-Za-z]*[A-Za-z].*"
)
_SHORT_WITH_TERM = r"([0-9A-Za-z]{2,4})\s+[^0-9A-Za-z]*[A-Za-z].*"
_BARE = r"([0-9A-Za-z]+\.*(?:[0-9A-Za-z]{2})?)"


def of_a_list(code: pl.Expr) -> pl.Expr:
    """Return a list's code with seven characters; null if it is not a code.

    A spreadsheet turns `7004300` into `7004300.0`, which is repaired. Upper and lower case differ:
    `G1a..00` is not `G1A..00`.

    >>> listed = pl.DataFrame({"read": ["C34..00", "7004300.0", "1476"]})
    >>> listed.select(of_a_list(pl.col("read")))["read"].to_list()
    ['C34..00', '7004300', None]
    """
    bare = code.str.replace(r"^([0-9]{7})\.0$", "${1}")
    return pl.when(bare.str.contains(CODE)).then(bare)


def of_a_record(code: pl.Expr) -> pl.Expr:
    """Return a record's code with five or seven characters; null if it is not a code.

    The dots that fill a code to five characters are added where they are missing (`G20`). A term
    after the code, and a prefix that names the system, are removed.

    >>> written = ["G20..00", "G20", "C10F.00-Type 2 diabetes", "Read:H33..", "C34-1"]
    >>> pl.DataFrame({"read": written}).select(of_a_record(pl.col("read")))["read"].to_list()
    ['G20..00', 'G20..', 'C10F.00', 'H33..', None]
    """
    text = code.str.strip_chars()
    bare = pl.coalesce(
        text.str.extract(f"^{_PREFIX}{form}$") for form in (_BARE, _WITH_TERM, _SHORT_WITH_TERM)
    )
    short = bare.str.len_chars() < 5
    full = pl.when(short).then(bare.str.pad_end(5, ".")).otherwise(bare)
    return pl.when(full.str.contains(r"^[0-9A-Za-z]+\.*([0-9A-Za-z]{2})?$")).then(
        pl.when(full.str.len_chars().is_in([5, 7])).then(full)
    )


def with_short_forms(entries: pl.DataFrame) -> pl.DataFrame:
    """Add each entry's first five characters, which stand for a record without a term's code.

    Args:
        entries: code (String of seven characters), phenotype.

    Returns:
        The same columns, without duplicates, sorted.

    >>> listed = pl.DataFrame({"code": ["C34..00", "C34..11"], "phenotype": [0, 0]})
    >>> with_short_forms(listed)["code"].to_list()
    ['C34..', 'C34..00', 'C34..11']
    """
    short = entries.select(pl.col("code").str.head(5), "phenotype")
    return pl.concat([entries.select("code", "phenotype"), short]).unique().sort(pl.all())
