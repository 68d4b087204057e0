"""The cohort's events beyond diagnoses in one shard, and the outcome of every record of them."""

from collections.abc import Mapping

import dataframely as dy
import polars as pl

from behrt.concept_outcomes import (
    FIRST,
    ConceptOutcomes,
    count_outcomes,
    first_outcome,
    sort_outcomes,
)

EVENTS = pl.Schema(
    {
        "subject_id": pl.Int64(),
        "time": pl.Datetime("us"),
        "code": pl.String(),
        "numeric_value": pl.Float32(),
        "unit": pl.String(),
    }
)


def make_concept_events(
    window: pl.LazyFrame, rows: Mapping[str, pl.LazyFrame]
) -> tuple[pl.DataFrame, dy.DataFrame[ConceptOutcomes]]:
    """Make one shard's events beyond diagnoses.

    Events count on the days of follow-up, both ends included. Equal events of a patient on one day,
    with the same value or both without, are one event. One concept after the other is in memory.

    Args:
        window: subject_id, follow_up_start, follow_up_end of the shard's patients in the cohort.
        rows: the records of each concept: subject_id, day, code (String, null for none), events
            (MEDS codes, List(String), null for none), value (Float32), unit, and outcome, which
            counts where none of `behrt.concept_outcomes.FIRST` does.

    Returns:
        The events: subject_id, time, code, numeric_value, unit; sorted by all, without duplicates.
        The outcomes of the records.
    """
    made = [pl.DataFrame(schema=EVENTS)]
    counted: list[pl.DataFrame] = [ConceptOutcomes.create_empty()]
    for concept, records in rows.items():
        judged = _with_outcome(records, window).with_columns(concept=pl.lit(concept))
        events = (
            judged.filter(~pl.col("outcome").is_in(FIRST))
            .drop_nulls("events")
            .select("subject_id", "day", "events", "unit", numeric_value="value")
            .explode("events")
            .unique()
        )
        found, outcomes = pl.collect_all([events, count_outcomes(judged)], engine="streaming")
        made.append(
            found.select(
                "subject_id",
                pl.col("day").cast(pl.Datetime("us")).alias("time"),
                pl.col("events").alias("code"),
                "numeric_value",
                "unit",
            )
        )
        counted.append(outcomes)
    return pl.concat(made).sort(list(EVENTS)), sort_outcomes(pl.concat(counted))


def _with_outcome(rows: pl.LazyFrame, window: pl.LazyFrame) -> pl.LazyFrame:
    in_follow_up = pl.col("day").is_between("follow_up_start", "follow_up_end")
    conditions = (
        pl.col("follow_up_start").is_null(),
        pl.col("code").is_null(),
        pl.col("day").is_null(),
        ~in_follow_up,
    )
    outcome = first_outcome(dict(zip(FIRST, conditions, strict=True)), pl.col("outcome"))
    return rows.join(window, on="subject_id", how="left").with_columns(outcome=outcome)


def with_concepts(events: pl.DataFrame, concepts: pl.DataFrame) -> pl.DataFrame:
    """Return a shard's events with those beyond diagnoses.

    Args:
        events: subject_id, time, code.
        concepts: what `make_concept_events` returns.
    """
    return pl.concat([events, concepts], how="diagonal").sort(list(EVENTS))
