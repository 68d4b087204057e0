"""What became of each diagnosis row: which rows became events, and why the others did not."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt import outcome_counts
from behrt.errors import InputError

MAPPED = "mapped"
UNMAPPED = "unmapped"
OUTCOMES = (
    "not in the cohort",
    "no code",
    "no date",
    "outside follow-up",
    UNMAPPED,
    MAPPED,
)
_EVIDENCE = 20


class DiagnosisOutcomes(dy.Schema):
    """Diagnosis rows by coding system and outcome; unmapped rows also by code."""

    system = dy.String(min_length=1)
    outcome = dy.String(check=lambda outcome: outcome.is_in(OUTCOMES))
    code = dy.String(nullable=True)
    rows = dy.Int64(min=1)


def first_outcome(conditions: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return the first outcome whose condition holds, else "mapped": see `outcome_counts`."""
    return outcome_counts.first_outcome(OUTCOMES, conditions, pl.lit(MAPPED))


def count_outcomes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Count diagnoses (system, outcome, code) as `DiagnosisOutcomes`, in no particular order."""
    return outcome_counts.count_outcomes(rows, "system", [UNMAPPED])


def sort_outcomes(outcomes: pl.DataFrame) -> dy.DataFrame[DiagnosisOutcomes]:
    """Sort by system and outcome, the most frequent unmapped codes first."""
    return DiagnosisOutcomes.validate(outcome_counts.sort_outcomes(outcomes, "system"))


def add_outcomes(shards: Sequence[Path]) -> dy.DataFrame[DiagnosisOutcomes]:
    """Add up the outcomes of all shards."""
    return DiagnosisOutcomes.validate(outcome_counts.add_outcomes(shards, "system"))


def require_mapped(outcomes: pl.DataFrame, listed: Collection[str]) -> None:
    """Refuse diagnoses of a coding system none of which is mapped to a disease.

    Args:
        outcomes: system, outcome, rows.
        listed: the coding systems of which the code lists have codes.

    Raises:
        InputError: the lists do not fit the codes of a system. A few rows are not evidence.
    """
    coded = outcomes.filter(pl.col("outcome").is_in([MAPPED, UNMAPPED]))
    counts = coded.group_by("system").agg(
        rows=pl.col("rows").sum(), is_mapped=(pl.col("outcome") == MAPPED).any()
    )
    for system, rows, is_mapped in counts.sort("system").iter_rows():
        if system in listed and not is_mapped and rows >= _EVIDENCE:
            raise InputError(
                f"diagnoses, {system}",
                "none of their codes is mapped to a disease",
                "Check that the code lists (`caliber`) fit the delivery",
            )


def share_mapped(outcomes: pl.DataFrame) -> float:
    """Return the share of the rows that became events; 0 without rows."""
    rows = outcomes.group_by("outcome").agg(pl.col("rows").sum())
    counts: dict[str, int] = dict(rows.iter_rows())
    return counts.get(MAPPED, 0) / max(sum(counts.values()), 1)
