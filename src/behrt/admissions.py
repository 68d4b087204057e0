"""Stays in hospital: when each began and ended, and whether it was an emergency."""

from collections.abc import Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

SPELL, EMERGENCY_SPELL = "spell", "emergency spell"
EMERGENCY_ROOM = "emergency room"
KINDS = (SPELL, EMERGENCY_SPELL, EMERGENCY_ROOM)


class HospitalRecords(dy.Schema):
    """One row per record of a hospital.

    | kind | `day` and `until` |
    |---|---|
    | `spell`, `emergency spell` | of admission, and of discharge (null where it is not known) |
    | `emergency room` | of a visit that may lead to an admission; null |
    """

    subject_id = dy.Int64()
    kind = dy.String(check=lambda kind: kind.is_in(KINDS))
    day = dy.Date()
    until = dy.Date(nullable=True)
    shard = dy.UInt16()


class Stays(dy.Schema):
    """One row per stay of a subject in hospital, sorted by subject and day."""

    subject_id = dy.Int64(primary_key=True)
    admitted = dy.Int32(primary_key=True, description="days since 1970-01-01")
    discharged = dy.Int32(nullable=True, description="null where it is not known")
    emergency = dy.Bool()


def stays_of(records: pl.DataFrame) -> dy.DataFrame[Stays]:
    """Return the stays of some subjects.

    Spells that overlap, or of which one begins on the day the other ends (a transfer), are one
    stay. It is an emergency if a spell of its first day is. Its discharge is not known if that of
    one of its spells is not. A discharge before the admission is not known.

    A spell is also an emergency if there is a visit to an emergency room on its first day or the
    day before, as OMOP's tables have them.

    >>> from datetime import date
    >>> rows = [
    ...     (7, "spell", date(2001, 5, 2), date(2001, 5, 4)),
    ...     (7, "emergency spell", date(2001, 5, 4), date(2001, 5, 9)),
    ...     (7, "emergency spell", date(2001, 5, 20), None),
    ... ]
    >>> schema = {"subject_id": pl.Int64, "kind": pl.String, "day": pl.Date, "until": pl.Date}
    >>> stays_of(pl.DataFrame(rows, schema=schema, orient="row")).drop("subject_id").rows()
    [(11444, 11451, False), (11462, None, True)]

    Args:
        records: subject_id, kind, day and until of `HospitalRecords`, in any order.
    """
    kind, day, until = pl.col("kind"), pl.col("day"), pl.col("until")
    rooms = records.filter(kind == EMERGENCY_ROOM).select("subject_id", room="day")
    rooms = pl.concat([rooms, rooms.with_columns(pl.col("room").dt.offset_by("1d"))]).unique()
    known = (
        records.filter(kind != EMERGENCY_ROOM)
        .select(
            "subject_id",
            "day",
            until=pl.when(until >= day).then(until),
            emergency=kind == EMERGENCY_SPELL,
        )
        .join(
            rooms.with_columns(by_room=True),
            left_on=["subject_id", "day"],
            right_on=["subject_id", "room"],
            how="left",
        )
        .with_columns(pl.col("emergency") | pl.col("by_room").fill_null(False))
        .sort("subject_id", "day", "until", "emergency", nulls_last=True)
    )
    latest = pl.coalesce("until", "day").cum_max().shift().over("subject_id")
    joined = known.with_columns(stay=(day > latest).fill_null(True).cum_sum())
    stays = joined.group_by("stay", maintain_order=True).agg(
        pl.col("subject_id").first(),
        admitted=day.first().cast(pl.Int32),
        discharged=pl.when(until.null_count() == 0).then(until.max()).cast(pl.Int32),
        emergency=pl.col("emergency").filter(day == day.first()).any(),
    )
    return Stays.validate(stays.select(Stays.column_names()))


def read_stays(parts: Sequence[Path], shard: int) -> dy.DataFrame[Stays]:
    """Return the stays of the subjects of a shard, from the records of all parts."""
    return stays_of(pl.scan_parquet(list(parts)).filter(pl.col("shard") == shard).collect())
