"""What a delivered file is reduced to, whatever its layout: records, sorted by shard in batches."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow.parquet as pq

from behrt.errors import InputError
from behrt.files import atomic
from behrt.hashing import shard_of
from behrt.logs import progress

KINDS = (
    "birth",
    "death",
    "diagnosis",
    "end",
    "fixed",
    "period",
    "seen",
    "sex",
    "start",
    "visit",
)
BATCH_ROWS = 1 << 18
FIRST_YEAR, LAST_YEAR = 1800, 2299  # de-identified data may lie in the 22nd century
IMPOSSIBLE = f"a date outside the years {FIRST_YEAR} to {LAST_YEAR}"
_ROW_GROUP_ROWS = 1 << 16


class Records(dy.Schema):
    """One fact about a subject a row.

    Kinds: `birth`, `death`, `start` and `end` (of follow-up) have a day; `period` (of observation)
    and `seen` (the first and last day among some rows; a subject without any has no day) have
    `day` and `until`; `diagnosis` (the source's own code) and `visit` have a day and a code; `sex`
    (male, female, unknown) and `fixed` (what does not change) have a code.
    """

    subject_id = dy.Int64(min=0)
    kind = dy.String(check=lambda kind: kind.is_in(KINDS))
    day = dy.Date(nullable=True)
    until = dy.Date(nullable=True)
    code = dy.String(nullable=True)


@dataclass(frozen=True)
class Part:
    """One delivered file.

    Attributes:
        table: of the layout; `data` for MEDS.
        part: three digits or more.
        path: of the file.
    """

    table: str
    part: str
    path: Path


@dataclass
class Tally:
    """How many rows of a file were read, kept, and refused for which reason."""

    file: str
    rows_read: int = 0
    rows_kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def keep(self, rows: pl.DataFrame, reasons: dict[str, pl.Expr]) -> pl.DataFrame:
        """Count every row, and return those that no reason (Boolean, the first counts) refuses."""
        first = pl.coalesce(
            *(pl.when(bad).then(pl.lit(reason)) for reason, bad in reasons.items()),
            pl.lit(None, pl.String),
        )
        judged = rows.with_columns(reason=first)
        kept = judged.filter(pl.col("reason").is_null()).drop("reason")
        self.rows_read += rows.height
        self.rows_kept += kept.height
        self.refused.update(judged["reason"].drop_nulls().to_list())
        return kept

    def refuse(self, reason: str, rows: int = 1) -> None:
        """Count rows that could not even be taken apart."""
        self.rows_read += rows
        self.refused[reason] += rows

    def check(self, maximum: float) -> None:
        """Stop the run where more than a share of the rows is refused.

        Raises:
            InputError: with the share of each reason.
        """
        refused = self.rows_read - self.rows_kept
        if refused <= maximum * self.rows_read:
            return
        shares = [
            f"{reason} {count / self.rows_read:.1%}" for reason, count in self.refused.most_common()
        ]
        raise InputError(
            self.file,
            f"{refused / self.rows_read:.1%} of the rows cannot be used ({', '.join(shares)}), "
            f"more than the {maximum:.1%} that `maximum_refused` allows",
            "Look at the file; if it is as it should be, raise `maximum_refused`",
        )

    def manifest(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "file": self.file,
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_refused": dict(sorted(self.refused.items())),
        }


def impossible(day: pl.Expr) -> pl.Expr:
    """Return whether a day lies outside the years that are believed; false for a missing one."""
    return ~day.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(True)


def record(
    kind: str, day: pl.Expr | None = None, until: pl.Expr | None = None, code: pl.Expr | None = None
) -> list[pl.Expr]:
    """Return the columns of a record besides the subject."""
    return [
        pl.lit(kind).alias("kind"),
        (pl.lit(None) if day is None else day).cast(pl.Date).alias("day"),
        (pl.lit(None) if until is None else until).cast(pl.Date).alias("until"),
        (pl.lit(None) if code is None else code).cast(pl.String).alias("code"),
    ]


def seen(rows: pl.DataFrame, first: pl.Expr, last: pl.Expr | None = None) -> pl.DataFrame:
    """Return one record a subject: the first and last day among its rows."""
    days = rows.select("subject_id", day=first, until=first if last is None else last)
    return days.group_by("subject_id").agg(
        record("seen", pl.col("day").min(), pl.max_horizontal(pl.col("day", "until").max()))
    )


def write_records(
    batches: Iterable[pl.DataFrame], path: Path, shards: int, check: Callable[[], None]
) -> None:
    """Write batches of records, each sorted by shard, so that a shard is read without the others.

    Besides `Records`, the file has the column `shard` (UInt16). No more than a batch is held. The
    same batches give the same bytes. `check` is called when all are read, and may raise before the
    file gets its name.
    """
    empty = Records.create_empty().with_columns(shard=pl.lit(0, pl.UInt16))
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, empty.to_arrow().schema, compression="zstd") as writer,
    ):
        for batch in progress(batches, label=path.stem, unit="batches"):
            records = Records.validate(batch.select(Records.column_names()))
            sharded = records.with_columns(shard=shard_of(pl.col("subject_id"), shards))
            ordered = sharded.sort("shard", "subject_id", "kind", "day", "until", "code")
            writer.write_table(
                ordered.to_arrow().cast(empty.to_arrow().schema), row_group_size=_ROW_GROUP_ROWS
            )
        check()


def scan_records(parts: Iterable[Path], shard: int) -> pl.LazyFrame:
    """Scan one shard's records of any parts."""
    return pl.scan_parquet(list(parts)).filter(pl.col("shard") == shard).drop("shard")
