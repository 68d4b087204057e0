"""Stays in hospital of a MEDS dataset, or of OMOP's visit_occurrence, as hospital records."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.admissions import EMERGENCY_SPELL, SPELL, HospitalRecords
from behrt.errors import InputError
from behrt.hashing import shard_of
from behrt.sources import omop
from behrt.sources.codes import check_pattern
from behrt.sources.records import IMPOSSIBLE, Tally, impossible

_DISCHARGE = "discharge"
_KINDS = {_DISCHARGE: _DISCHARGE, "emergency": EMERGENCY_SPELL, "admission": SPELL}
"""What a code means for each key of `meds.admissions`; the first that fits counts."""


def from_meds(path: Path, codes: Mapping[str, str], tally: Tally) -> pl.DataFrame:
    """Return subject_id, kind, day and until of the stays of a data file, as spells.

    An admission ends with the next event of its subject, if that is a discharge. Of a discharge and
    an admission at the same time, the discharge ends an earlier stay if there is one; otherwise the
    two are one stay. A subject is in one data file, as MEDS defines.

    Args:
        path: a data file of the dataset, whose columns the import has checked.
        codes: a regular expression for each key of `_KINDS`.
        tally: counts the rows of these codes.

    Raises:
        InputError: the file cannot be read, or a pattern is no regular expression.
    """
    for pattern in codes.values():
        check_pattern(pattern)
    code = pl.col("code").cast(pl.String)
    kinds = [
        pl.when(code.str.contains(f"^(?:{codes[key]})$")).then(pl.lit(kind))
        for key, kind in _KINDS.items()
    ]
    try:
        events = (
            pl.scan_parquet(path)
            .select(
                pl.col("subject_id").cast(pl.Int64, strict=False),
                kind=pl.coalesce(*kinds, pl.lit(None, pl.String)),
                time=pl.col("time").cast(pl.Datetime("us")),
            )
            .drop_nulls("kind")
            .collect(engine="streaming")
        )
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "it cannot be read as Parquet", "Copy the file again") from None
    kept = tally.keep(
        events,
        {
            "blank subject_id": pl.col("subject_id").is_null(),
            "no time": pl.col("time").is_null(),
            IMPOSSIBLE: impossible(pl.col("time")),
        },
    )
    return _paired(kept.unique())


def _paired(events: pl.DataFrame) -> pl.DataFrame:
    """Return admissions and discharges (subject_id, kind, time) as spells."""
    discharge = pl.col("kind") == _DISCHARGE
    around = [
        pl.col("kind", "time", "ends_nothing").shift(by).over("subject_id").name.prefix(prefix)
        for by, prefix in ((-1, "next_"), (1, "last_"))
    ]
    before = pl.col("kind").shift().over("subject_id")
    ordered = (
        events.sort("subject_id", "time", ~discharge, "kind")
        .with_columns(ends_nothing=discharge & (before == _DISCHARGE).fill_null(True))
        .with_columns(around)
    )
    ended = pl.when(pl.col("next_kind") == _DISCHARGE).then("next_time")
    same = pl.col("last_ends_nothing") & (pl.col("last_time") == pl.col("time"))
    return ordered.filter(~discharge).select(
        "subject_id",
        "kind",
        day=pl.col("time").dt.date(),
        until=pl.when(same).then("time").otherwise(ended).dt.date(),
    )


def from_omop(path: Path, tally: Tally, blank: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield subject_id, kind, day and until of the visits of a file, batch by batch.

    Raises:
        InputError: as `behrt.sources.omop.read_batches`.
    """
    yield from omop.read_batches(path, omop.ADMISSIONS, omop.SOURCE_VALUE, tally, blank)


def sharded(batches: Iterator[pl.DataFrame], shards: int) -> dy.DataFrame[HospitalRecords]:
    """Return the records of all batches, sorted by shard, subject and day."""
    empty = HospitalRecords.create_empty().drop("shard")
    records = pl.concat([empty, *(batch.select(empty.columns) for batch in batches)])
    return HospitalRecords.validate(
        records.with_columns(shard=shard_of(pl.col("subject_id"), shards)).sort(
            "shard", "subject_id", "day", "kind", "until"
        )
    )
