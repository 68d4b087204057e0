"""One shard's records of inputs beyond diagnoses, as `behrt.concept_events` takes them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt.concept_outcomes import UNMAPPED
from behrt.sources.records import scan_records

_WORD = ("concept", "code", "source_concept")


def scan_inputs(
    parts: Sequence[Path], shard: int, concepts: Sequence[str], words: Path | None = None
) -> dict[str, pl.LazyFrame]:
    """Scan the records of each concept: subject_id, day, code, events, value, unit, outcome.

    Args:
        parts: records (`behrt.sources.inputs.InputRecords`).
        shard: its number.
        concepts: the inputs beyond diagnoses.
        words: what codes without a MEDS code become (`behrt.sources.input_words.InputWords`); None
            where each record has its own.
    """
    rows = scan_records(parts, shard)
    if words is not None:
        found = pl.read_parquet(words).drop_nulls("event").group_by(_WORD)
        events = found.agg(pl.col("event").sort().alias("words")).lazy()
        rows = rows.join(events, on=list(_WORD), how="left", nulls_equal=True)
    else:
        rows = rows.with_columns(words=pl.lit(None, pl.List(pl.String)))
    own = pl.when(pl.col("event").is_not_null()).then(pl.concat_list("event"))
    judged = rows.with_columns(events=pl.coalesce("words", own)).with_columns(
        outcome=pl.when((pl.col("outcome") == "mapped") & pl.col("events").is_null())
        .then(pl.lit(UNMAPPED))
        .otherwise("outcome")
    )
    columns = ("subject_id", "day", "code", "events", "value", "unit", "outcome")
    return {
        concept: judged.filter(pl.col("concept") == concept).select(columns) for concept in concepts
    }
