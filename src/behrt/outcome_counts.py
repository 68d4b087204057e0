"""Decide and count what became of records.

Each record has an outcome and a kind: a coding system of diagnoses, or a concept. Records of some
outcomes are counted by code as well.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import polars as pl


def first_outcome(
    order: Sequence[str], conditions: Mapping[str, pl.Expr], otherwise: pl.Expr
) -> pl.Expr:
    """Return the first outcome whose condition holds.

    >>> rows = pl.DataFrame({"code": ["I10", None, "Z99"], "listed": [True, None, False]})
    >>> unmapped, no_code = ~pl.col("listed"), pl.col("code").is_null()
    >>> conditions = {"unmapped": unmapped, "no code": no_code}
    >>> outcome = first_outcome(["no code", "unmapped"], conditions, pl.lit("mapped"))
    >>> rows.select(outcome.alias("outcome"))["outcome"].to_list()
    ['mapped', 'no code', 'unmapped']

    Args:
        order: of all outcomes.
        conditions: a Boolean expression for each outcome that can occur; null counts as false.
        otherwise: the outcome of rows for which none holds.

    Raises:
        ValueError: a condition is of no outcome.
    """
    if unknown := set(conditions) - set(order):
        raise ValueError(f"not an outcome: {', '.join(sorted(unknown))}")
    ordered = [outcome for outcome in order if outcome in conditions]
    return pl.coalesce(
        *(pl.when(conditions[outcome]).then(pl.lit(outcome)) for outcome in ordered), otherwise
    )


def count_outcomes(rows: pl.LazyFrame, kind: str, by_code: Collection[str]) -> pl.LazyFrame:
    """Count rows by kind and outcome, in no particular order.

    >>> rows = pl.LazyFrame(
    ...     {
    ...         "system": "icd10",
    ...         "outcome": ["mapped", "mapped", "unmapped"],
    ...         "code": ["I10", "I21", "Z99"],
    ...     }
    ... )
    >>> count_outcomes(rows, "system", ["unmapped"]).sort("outcome").collect().rows()
    [('icd10', 'mapped', None, 2), ('icd10', 'unmapped', 'Z99', 1)]

    Args:
        rows: kind, outcome, code (String).
        kind: the name of its column.
        by_code: the outcomes that are counted by code as well.
    """
    code = pl.when(pl.col("outcome").is_in(by_code)).then("code")
    return rows.group_by(kind, "outcome", code.alias("code")).agg(rows=pl.len().cast(pl.Int64))


def sort_outcomes(outcomes: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Sort counts by kind and outcome, the most frequent codes first."""
    return outcomes.sort(kind, "outcome", "rows", "code", descending=[False, False, True, False])


def add_outcomes(shards: Sequence[Path], kind: str) -> pl.DataFrame:
    """Add up the counts of all shards, sorted."""
    scanned = pl.scan_parquet(list(shards))
    total = scanned.group_by(kind, "outcome", "code").agg(pl.col("rows").sum())
    return sort_outcomes(total.collect(), kind)
