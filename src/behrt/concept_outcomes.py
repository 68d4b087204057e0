"""What became of each record of a medication, procedure, test or measurement."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt import outcome_counts
from behrt.errors import InputError

MAPPED = "mapped"
UNMAPPED = "unmapped"
UNCERTAIN_UNIT = "unit not certain"
OUTCOMES = (
    "not in the cohort",
    "no code",
    "no date",
    "outside follow-up",
    UNMAPPED,
    "no value",
    "value cannot be read",
    UNCERTAIN_UNIT,
    "implausible value",
    "value not exact",
    "no range",
    "by the qualifier",
    MAPPED,
)
"""In the order in which they are decided. Of a test, every outcome from "no value" on is an event
(done, without its value where that is not certain); of a measurement, only the last one is."""

FIRST = OUTCOMES[:4]
"""Outcomes that do not depend on what is recorded, beyond its day and its code."""

_DETAILED = (UNMAPPED, UNCERTAIN_UNIT)
_EVIDENCE = 20


class ConceptOutcomes(dy.Schema):
    """Records by concept and outcome.

    `code` is the code of unmapped records, and the test and the unit where that is not certain.
    """

    concept = dy.String(min_length=1)
    outcome = dy.String(check=lambda outcome: outcome.is_in(OUTCOMES))
    code = dy.String(nullable=True)
    rows = dy.Int64(min=1)


def first_outcome(conditions: Mapping[str, pl.Expr], otherwise: pl.Expr) -> pl.Expr:
    """Return the first outcome whose condition holds: see `outcome_counts`."""
    return outcome_counts.first_outcome(OUTCOMES, conditions, otherwise)


def count_outcomes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Count rows (concept, outcome, code) as `ConceptOutcomes`, in no particular order."""
    return outcome_counts.count_outcomes(rows, "concept", _DETAILED)


def sort_outcomes(outcomes: pl.DataFrame) -> dy.DataFrame[ConceptOutcomes]:
    """Sort by concept and outcome, the most frequent codes first."""
    return ConceptOutcomes.validate(outcome_counts.sort_outcomes(outcomes, "concept"))


def add_outcomes(shards: Sequence[Path]) -> dy.DataFrame[ConceptOutcomes]:
    """Add up the outcomes of all shards."""
    return ConceptOutcomes.validate(outcome_counts.add_outcomes(shards, "concept"))


def share_mapped(outcomes: pl.DataFrame, concept: str) -> tuple[int, int]:
    """Return how many records of a concept are read, and how many of them are mapped."""
    of_concept = outcomes.filter(pl.col("concept") == concept)
    mapped = of_concept.filter(pl.col("outcome") == MAPPED)
    return int(of_concept["rows"].sum()), int(mapped["rows"].sum())


def require_mapped(outcomes: pl.DataFrame) -> None:
    """Refuse a concept of which no record could be mapped, as look-ups of another build do.

    Raises:
        InputError: naming the concept. A few rows are not evidence.
    """
    coded = outcomes.filter(~pl.col("outcome").is_in(FIRST))
    counts = coded.group_by("concept").agg(
        pl.col("rows").sum(), none=(pl.col("outcome") == UNMAPPED).all()
    )
    for concept, rows, none in counts.sort("concept").iter_rows():
        if none and rows >= _EVIDENCE:
            raise InputError(
                f"inputs, {concept}",
                "none of their codes is known",
                f"Check that the look-ups and `concepts.{concept}` fit the data",
            )
