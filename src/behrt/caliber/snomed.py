"""Lists of SNOMED CT concepts that define phenotypes, in place of their Read codes."""

from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from behrt.errors import InputError

# Six to eighteen digits, the first not 0 (SNOMED CT Release File Specification, SCTID).
CONCEPT = r"^[1-9][0-9]{5,17}$"
COLUMNS = ("phenotype", "snomedctconceptid")


class ListedConcepts(dy.Schema):
    """One row per pair of a SNOMED CT concept and a phenotype."""

    snomed = dy.Int64(primary_key=True, min=1)
    phenotype = dy.Int16(primary_key=True, min=0)


def read_snomed(
    path: Path, phenotypes: pl.DataFrame
) -> tuple[dy.DataFrame[ListedConcepts], dict[str, Any]]:
    """Read a CSV file with the columns `phenotype` and `snomedctconceptid`, one row per concept.

    Other columns are not read. A concept's id is read as digits only: a number that a spreadsheet
    has converted (`2.3E+17`, `59621000.0`) is refused and counted. An id that it has rounded cannot
    be recognised.

    Args:
        path: the file.
        phenotypes: index and phenotype, as `behrt.caliber.lists.Phenotypes`.

    Returns:
        The pairs, sorted, and a manifest: rows_read, rows_refused by reason, pairs.

    Raises:
        InputError: it cannot be read, lacks a column, names a phenotype that the code lists do not
            have, or one none of whose concepts can be read.
    """
    fix = f"Give a CSV file with the columns {' and '.join(COLUMNS)}"
    try:
        rows = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "cannot be read as CSV", fix) from None
    rows.columns = [name.strip().lower() for name in rows.columns]
    for column in COLUMNS:
        if column not in rows.columns:
            raise InputError(path, f"no column {column!r}", fix)
    known = phenotypes.select("phenotype", index="index")
    code = pl.col("snomedctconceptid").str.strip_chars()
    typed = rows.select(
        pl.col("phenotype").str.strip_chars(),
        snomed=pl.when(code.str.contains(CONCEPT)).then(code.cast(pl.Int64, strict=False)),
        blank=code.fill_null("") == "",
    ).join(known, on="phenotype", how="left", maintain_order="left")
    odd = typed.filter(pl.col("index").is_null())["phenotype"].unique().sort()
    if odd.len():
        raise InputError(
            path,
            f"{odd.len()} of its phenotypes are not in the code lists, such as {odd[0]!r}",
            "Name them as dictionary.csv does",
        )
    unread = set(typed["phenotype"]) - set(typed.drop_nulls("snomed")["phenotype"])
    if unread:
        raise InputError(
            path,
            f"none of the concepts of {sorted(unread)[0]!r} can be read",
            "Write them as digits: a spreadsheet makes decimals of long numbers",
        )
    pairs = typed.drop_nulls("snomed").select("snomed", phenotype=pl.col("index").cast(pl.Int16))
    refused = typed["snomed"].is_null()
    return ListedConcepts.validate(pairs.unique().sort(pl.all())), {
        "rows_read": rows.height,
        "rows_refused": {
            "blank concept": int((refused & typed["blank"]).sum()),
            "not a SNOMED CT concept": int((refused & ~typed["blank"]).sum()),
        },
        "pairs": pairs.unique().height,
    }
