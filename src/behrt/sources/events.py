"""MEDS events of one shard of records: subjects, their follow-up, and their diagnoses in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import polars as pl
from meds.schema import birth_code, death_code

from behrt import flow
from behrt.concept_events import make_concept_events, with_concepts
from behrt.concept_outcomes import ConceptOutcomes
from behrt.diagnosis_outcomes import (
    DiagnosisOutcomes,
    count_outcomes,
    first_outcome,
    sort_outcomes,
)
from behrt.flow import Flow
from behrt.sources.records import scan_records
from behrt.sources.words import NO_SYSTEM

STEPS = (
    "Subjects of the dataset",
    "With one month of birth",
    "With follow-up after birth",
    "With a diagnosis of the vocabulary in follow-up",
)
WITH_INPUTS = "With a diagnosis of the vocabulary or another input in follow-up"
"""The last step of a run with inputs beyond diagnoses."""


@dataclass(frozen=True)
class ShardEvents:
    """What the records of one shard become.

    Attributes:
        events: subject_id Int64, time Datetime("us"), null for what does not change, code String;
            with inputs beyond diagnoses numeric_value and unit; sorted by all, without duplicates.
        outcomes: of the diagnoses.
        concept_outcomes: of the other inputs.
        flow: the subjects after each step.
    """

    events: pl.DataFrame
    outcomes: dy.DataFrame[DiagnosisOutcomes]
    concept_outcomes: dy.DataFrame[ConceptOutcomes]
    flow: dy.DataFrame[Flow]


def make_events(
    parts: Sequence[Path],
    words: Path,
    shard: int,
    inputs: Mapping[str, pl.LazyFrame] | None = None,
) -> ShardEvents:
    """Make one shard's events.

    A diagnosis counts on the days of follow-up, first and last included; so do other inputs, visits
    and death. The same code on the same day is one event, at midnight; with different values it is
    several.

    Args:
        parts: records.
        words: what each code becomes (`behrt.sources.words.CodeWords`).
        shard: its number.
        inputs: records of other inputs (`behrt.sources.input_events.scan_inputs`), if there are.
    """
    records = scan_records(parts, shard).collect(engine="streaming")
    subjects = find_follow_up(records)
    followed = subjects.filter("followed")
    diagnoses = with_outcome(records, followed, pl.read_parquet(words))
    mapped = diagnoses.filter(pl.col("outcome") == "mapped")
    window = followed.lazy().select("subject_id", follow_up_start="start", follow_up_end="end")
    others, concept_outcomes = make_concept_events(window, inputs or {})
    with_a_word = pl.concat([mapped.select("subject_id"), others.select("subject_id")])
    cohort = followed.join(with_a_word, on="subject_id", how="semi")
    outcomes = count_outcomes(diagnoses.unique("row").lazy()).collect()
    visits = _within(records.filter(pl.col("kind") == "visit"), cohort)
    events = pl.concat(
        [
            _fixed(records, cohort),
            mapped.join(cohort.select("subject_id"), on="subject_id").select(
                "subject_id", "day", code="event"
            ),
            visits.select("subject_id", "day", "code"),
            _dated(cohort),
        ]
    )
    timed = events.select("subject_id", pl.col("day").cast(pl.Datetime("us")).alias("time"), "code")
    counts = [
        subjects.height,
        subjects["one_birth"].sum(),
        followed.height,
        cohort.height,
    ]
    flow = pl.DataFrame(
        {
            "step": range(len(STEPS)),
            "name": [*STEPS[:-1], STEPS[-1] if inputs is None else WITH_INPUTS],
            "patients": counts,
        },
        schema={"step": pl.Int8, "name": pl.String, "patients": pl.Int64},
    )
    made = timed.unique().sort("subject_id", "time", "code")
    return ShardEvents(
        made if inputs is None else with_concepts(made, others),
        sort_outcomes(outcomes),
        concept_outcomes,
        Flow.validate(flow),
    )


def find_follow_up(records: pl.DataFrame) -> pl.DataFrame:
    """Return the subjects, and when each is followed.

    Birth is the first of its month; a subject with two months of birth is not followed. Follow-up
    is the longest period of observation (of equal ones the first); without one it runs from the
    first `start` to the last `end`, and without these from the first to the last event. It begins
    at birth at the earliest, and ends at death at the latest.

    Args:
        records: of a shard.

    Returns:
        subject_id, sex (String), birth, death, start, end (Date), one_birth, followed (Boolean);
        sorted by subject.

    >>> from datetime import date
    >>> from behrt.sources.records import Records
    >>> records = Records.create_empty().vstack(
    ...     pl.DataFrame(
    ...         [
    ...             (7, "birth", date(1950, 3, 15), None, None, None),
    ...             (7, "seen", date(1990, 1, 2), date(1999, 4, 5), None, None),
    ...             (7, "death", date(1998, 1, 1), None, None, None),
    ...         ],
    ...         schema=Records.create_empty().schema,
    ...         orient="row",
    ...     )
    ... )
    >>> find_follow_up(records).select("birth", "start", "end", "followed").row(0)
    (datetime.date(1950, 3, 1), datetime.date(1990, 1, 2), datetime.date(1998, 1, 1), True)
    """
    kind, day, until = pl.col("kind"), pl.col("day"), pl.col("until")
    births = day.filter(kind == "birth").dt.truncate("1mo").unique()
    sexes = pl.col("code").filter((kind == "sex") & pl.col("code").is_in(["male", "female"]))
    # The longest first, then the first: the least of (minus length, start).
    length = (until - day).dt.total_days()
    is_period = (kind == "period") & (length >= 0)
    longest = pl.struct(shorter=-length, day=day, until=until).filter(is_period).sort().first()
    is_seen = kind == "seen"
    found = records.group_by("subject_id").agg(
        sex=pl.when(sexes.n_unique() == 1).then(sexes.first()).otherwise(pl.lit("unknown")),
        birth=births.min(),
        one_birth=births.len() == 1,
        death=day.filter(kind == "death").min(),
        period=longest,
        start=day.filter(kind == "start").min(),
        end=day.filter(kind == "end").max(),
        first=day.filter(is_seen).min(),
        last=until.filter(is_seen).max(),
    )
    period = pl.col("period").struct
    given = found.with_columns(
        start=pl.coalesce(period.field("day"), "start", "first"),
        end=pl.coalesce(period.field("until"), "end", "last"),
    )
    bound = given.with_columns(
        start=pl.max_horizontal("start", "birth"), end=pl.min_horizontal("end", "death")
    )
    known = pl.col("start").is_not_null() & pl.col("end").is_not_null()
    return bound.select(
        "subject_id",
        "sex",
        "birth",
        "death",
        "start",
        "end",
        "one_birth",
        followed=(pl.col("one_birth") & known & (pl.col("start") <= pl.col("end"))).fill_null(
            False
        ),
    ).sort("subject_id")


def with_outcome(
    records: pl.DataFrame, followed: pl.DataFrame, words: pl.DataFrame
) -> pl.DataFrame:
    """Return every diagnosis with its outcome, as `behrt.diagnosis_outcomes` names it.

    Args:
        records: of a shard.
        followed: subject_id, start, end of those who are followed.
        words: code, concept, system, event.

    Returns:
        row (its number; several rows for a code with several words), subject_id, day, code,
        system, event, outcome.
    """
    rows = records.filter(pl.col("kind") == "diagnosis").select(
        "subject_id", "day", "code", "concept"
    )
    joined = (
        rows.with_row_index("row")
        .join(followed.select("subject_id", "start", "end"), on="subject_id", how="left")
        .join(words, on=["code", "concept"], how="left", nulls_equal=True)
    )
    outcome = first_outcome(
        {
            "not in the cohort": pl.col("start").is_null(),
            "no code": pl.col("code").is_null(),
            "no date": pl.col("day").is_null(),
            "outside follow-up": ~pl.col("day").is_between("start", "end"),
            "unmapped": pl.col("event").is_null(),
        }
    )
    return joined.with_columns(outcome=outcome, system=pl.col("system").fill_null(NO_SYSTEM)).drop(
        "start", "end"
    )


def _within(rows: pl.DataFrame, cohort: pl.DataFrame) -> pl.DataFrame:
    window = cohort.select("subject_id", "start", "end")
    return rows.join(window, on="subject_id").filter(pl.col("day").is_between("start", "end"))


def _fixed(records: pl.DataFrame, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return the events without a time: sex and, if the source has them, region and practice."""
    nothing = pl.lit(None, pl.Date).alias("day")
    sex = cohort.select("subject_id", nothing, code=pl.lit("SEX//") + pl.col("sex"))
    others = records.filter(pl.col("kind") == "fixed").join(cohort, on="subject_id", how="semi")
    return pl.concat([sex, others.select("subject_id", nothing, "code")])


def _dated(cohort: pl.DataFrame) -> pl.DataFrame:
    """Return birth, death, and the first and last day of follow-up."""
    death = pl.when(pl.col("death").is_between("start", "end")).then("death")
    return pl.concat(
        cohort.select("subject_id", day=day, code=pl.lit(code)).drop_nulls("day")
        for day, code in (
            (pl.col("birth"), birth_code),
            (pl.col("start"), "FOLLOW_UP//START"),
            (pl.col("end"), "FOLLOW_UP//END"),
            (death, death_code),
        )
    )


def add_flows(counts: Sequence[Path]) -> dy.DataFrame[Flow]:
    """Add up the subjects of all shards, step by step.

    Raises:
        InputError: no subject is left.
    """
    return flow.add_flows(
        counts,
        "source",
        "subject",
        "Check births, follow-up and codes of the dataset, and `systems` and `meds.structure` in "
        "the configuration",
    )
