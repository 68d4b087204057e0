"""Concepts of OMOP's vocabularies: the code system, the code and the name of each."""

from collections.abc import Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.sources.omop import CONCEPT_PREFIX
from behrt.sources.records import Tally
from behrt.sources.table_files import read_columns
from behrt.sources.values import read_values

VOCABULARIES = {
    "ICD10": "icd10",
    "ICD10CM": "icd10",
    "ICD10CN": "icd10",
    "ICD10GM": "icd10",
    "CIM10": "icd10",
    "ICD9CM": "icd9cm",
    "Read": "read",
    "SNOMED": "snomed",
}
"""The code system of each vocabulary_id that a code list can map."""

FIRST_LOCAL = 2_000_000_000
"""Sites give their own concepts ids from here on (OMOP CDM, conventions for concepts)."""

_COLUMNS = ("concept_id", "vocabulary_id", "concept_code", "concept_name")


class Concepts(dy.Schema):
    """One concept per row."""

    concept = dy.Int64(primary_key=True)
    vocabulary = dy.String(nullable=True)
    concept_code = dy.String(nullable=True)
    name = dy.String(nullable=True)


def read_concepts(parts: Sequence[Path], wanted: pl.Series) -> dy.DataFrame[Concepts]:
    """Read the concepts that the data uses from the table CONCEPT.

    Text with TABs is read as OHDSI's Athena writes it: names hold quotes that mean nothing.

    Args:
        parts: files of the table; none if it was not delivered.
        wanted: concept_id Int64.

    Raises:
        InputError: a file cannot be read, lacks a column, or has rows that cannot be read.
    """
    found: list[pl.DataFrame] = [Concepts.create_empty()]
    for path in parts:
        tally = Tally(path.name)
        columns = {name: (name,) for name in _COLUMNS}
        for batch in read_columns(path, columns, _COLUMNS, tally, quotes_with_tabs=False):
            plain = batch.with_columns(pl.col(pl.String).str.strip_chars(' "'))
            number = read_values(plain["concept_id"], "number", str(path))
            typed = plain.select(
                concept=number["value"],
                unreadable=number["unreadable"],
                vocabulary=pl.col("vocabulary_id").cast(pl.String),
                concept_code=pl.col("concept_code").cast(pl.String),
                name=pl.col("concept_name").cast(pl.String),
            )
            kept = tally.keep(
                typed,
                {
                    "blank concept_id": pl.col("concept").is_null()
                    & pl.col("unreadable").is_null(),
                    "unreadable concept_id": pl.col("unreadable").is_not_null(),
                },
            )
            found.append(kept.drop("unreadable").filter(pl.col("concept").is_in(wanted.implode())))
        tally.check(0.0)
    unique = pl.concat(found).unique("concept", keep="first", maintain_order=True)
    return Concepts.validate(unique.sort("concept"))


def describe_concepts(concepts: dy.DataFrame[Concepts]) -> pl.DataFrame:
    """Describe concepts as MEDS describes codes: code, description, parent_codes (none)."""
    return concepts.select(
        code=pl.format(CONCEPT_PREFIX + "{}", "concept"),
        description="name",
        parent_codes=pl.lit(None, pl.List(pl.String)),
    )
