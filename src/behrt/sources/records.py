"""Records: the facts that a delivered file holds, whatever its layout, sorted by shard."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow.parquet as pq

from behrt.batches import by_first
from behrt.errors import InputError
from behrt.files import atomic, write_json
from behrt.hashing import shard_of
from behrt.logs import count, logger, progress

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
FIRST_YEAR, LAST_YEAR = 1800, 2299  # de-identified data may be in the 22nd century
IMPOSSIBLE = f"a date outside the years {FIRST_YEAR} to {LAST_YEAR}"
FIELDS = "another number of fields than the header"
_ROW_GROUP_ROWS = 1 << 16
_COMPRESSION = 8


class Records(dy.Schema):
    """One row per fact about a subject.

    | kind | columns that it has |
    |---|---|
    | `birth`, `death` | day |
    | `start`, `end` (of follow-up) | day |
    | `period` (of observation) | day, until |
    | `seen` (first and last day among some rows; null for a subject without one) | day, until |
    | `diagnosis` | day; code as the source writes it, and its concept in OMOP's vocabularies |
    | `visit` | day, code |
    | `sex` (male, female, unknown) | code |
    | `fixed` (what does not change) | code |
    """

    subject_id = dy.Int64()
    kind = dy.String(check=lambda kind: kind.is_in(KINDS))
    day = dy.Date(nullable=True)
    until = dy.Date(nullable=True)
    code = dy.String(nullable=True)
    concept = dy.Int64(nullable=True)


@dataclass(frozen=True)
class DatasetFile:
    """One file of a dataset.

    Attributes:
        table: the table that it belongs to; `data` for MEDS.
        part: its number in the table, three digits or more.
        path: where it is.
    """

    table: str
    part: str
    path: Path


def batches_of(
    files: Iterable[DatasetFile], megabytes: float
) -> dict[tuple[str, str], tuple[DatasetFile, ...]]:
    """Return the files of a table that one job reads, by table and number of the first.

    Args:
        files: sorted by table.
        megabytes: the least text of a batch (`behrt.batches`); 0 for one file in each. A file that
            is not plain text counts as `_COMPRESSION` times its size.
    """

    def size(file: DatasetFile) -> int:
        times = 1 if file.path.suffix.lower() in (".csv", ".tsv", ".txt") else _COMPRESSION
        return times * file.path.stat().st_size

    return by_first(
        files,
        table=lambda file: file.table,
        name=lambda file: file.part,
        size=size,
        megabytes=megabytes,
    )


def list_files(folder: Path, key: str) -> Iterator[Path]:
    """Yield the files below a folder, links followed, sorted by path; hidden names are left out.

    Names that begin with `_`, as Spark's `_SUCCESS`, are left out as well.

    Args:
        folder: to be searched.
        key: of the configuration, for errors.

    Raises:
        InputError: a folder cannot be listed, or a link leads nowhere.
    """

    def refuse(error: OSError) -> None:
        raise InputError(
            error.filename or folder,
            "the folder cannot be listed",
            f"Make it readable, or set {key}",
        ) from None

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(parent, name) for name in names if not name.startswith((".", "_"))]
    for path in sorted(found):
        if not path.is_file():
            raise InputError(
                path, "the link leads to no file", "Copy the file itself, or remove it"
            )
        yield path


@dataclass
class Tally:
    """How many rows of a file were read, kept, and refused for which reason.

    Attributes:
        file: its name.
        rows_read, rows_kept: counts; rows read are rows kept and rows refused.
        refused: rows by reason.
        texts: for a reason, up to two different texts of the cells that were refused.
    """

    file: str
    rows_read: int = 0
    rows_kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    texts: dict[str, set[str]] = field(default_factory=dict)

    def keep(
        self,
        rows: pl.DataFrame,
        reasons: Mapping[str, pl.Expr],
        texts: Mapping[str, str] | None = None,
    ) -> pl.DataFrame:
        """Count every row, and return the rows that no reason refuses.

        Args:
            rows: a batch.
            reasons: a Boolean expression for each reason; the first that is true counts.
            texts: for a reason, the column that holds the text that was refused.

        >>> tally = Tally("person.csv")
        >>> rows = pl.DataFrame({"person_id": [7, None, 9], "year": [1950, 1960, 3000]})
        >>> reasons = {
        ...     "blank person_id": pl.col("person_id").is_null(),
        ...     "year in the future": pl.col("year") > 2299,
        ... }
        >>> tally.keep(rows, reasons)["person_id"].to_list()
        [7]
        >>> tally.rows_read, tally.rows_kept, dict(tally.refused)
        (3, 1, {'blank person_id': 1, 'year in the future': 1})
        """
        first = pl.coalesce(
            *(pl.when(bad).then(pl.lit(reason)) for reason, bad in reasons.items()),
            pl.lit(None, pl.String),
        )
        judged = rows.with_columns(reason=first)
        kept = judged.filter(pl.col("reason").is_null()).drop("reason")
        self.rows_read += rows.height
        self.rows_kept += kept.height
        self.refused.update(judged["reason"].drop_nulls().to_list())
        for reason, column in (texts or {}).items():
            found = self.texts.setdefault(reason, set())
            if len(found) < 2:
                refused = judged.filter(pl.col("reason") == reason)[column]
                found.update(refused.unique(maintain_order=True).head(2).to_list())
        return kept

    def refuse(self, reason: str, rows: int = 1) -> None:
        """Count rows that could not be split into fields."""
        self.rows_read += rows
        self.refused[reason] += rows

    def check(self, maximum: float) -> None:
        """Stop the run if more than a share of the rows is refused.

        Raises:
            InputError: with the share of each reason, and advice for the most frequent one.
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
            f"more than the {maximum:.1%} that `extract.maximum_refused` allows",
            self._advice(refused),
        )

    def _advice(self, refused: int) -> str:
        reason = self.refused.most_common(1)[0][0]
        if self.refused[reason] > 1 and len(self.texts.get(reason, ())) == 1:
            return (
                "All of these cells hold the same text: if it stands for no value, add it to "
                "`extract.blank`"
            )
        advice = next(
            (text for part, text in _ADVICE.items() if part in reason), "Look at the file"
        )
        if 2 * refused >= self.rows_read:
            return f"{advice}: so many rows point to the export of the table, not to single rows"
        return f"{advice}; if the other rows are as they should be, raise `extract.maximum_refused`"

    def manifest(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "file": self.file,
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_refused": dict(sorted(self.refused.items())),
        }


_ADVICE = {
    FIELDS: "Write the table again, with quotes around values that hold the delimiter",
    "_date": "Write dates as YYYY-MM-DD or YYYYMMDD",
    "unreadable": "Write whole numbers as digits, within 64 bits",
    "blank": "Write the table again, with a value in each row of this column",
    IMPOSSIBLE: "Check how the dates were exported",
}
"""What to do, by a part of the reason; the first that fits counts."""


def impossible(day: pl.Expr) -> pl.Expr:
    """Return whether a day is outside FIRST_YEAR to LAST_YEAR; false for a missing day."""
    return ~day.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(True)


def record(
    kind: str,
    day: pl.Expr | None = None,
    until: pl.Expr | None = None,
    code: pl.Expr | None = None,
    concept: pl.Expr | None = None,
) -> list[pl.Expr]:
    """Return the columns of a record, the subject's id excepted."""
    values = {"day": day, "until": until, "code": code, "concept": concept}
    return [
        pl.lit(kind).alias("kind"),
        *(
            (pl.lit(None) if value is None else value).cast(_TYPES[name]).alias(name)
            for name, value in values.items()
        ),
    ]


_TYPES = {"day": pl.Date, "until": pl.Date, "code": pl.String, "concept": pl.Int64}


def seen(rows: pl.DataFrame, first: pl.Expr, last: pl.Expr | None = None) -> pl.DataFrame:
    """Return one record per subject: the first and last day among its rows."""
    days = rows.select("subject_id", day=first, until=first if last is None else last)
    return days.group_by("subject_id").agg(
        record("seen", pl.col("day").min(), pl.max_horizontal(pl.col("day", "until").max()))
    )


def read_files(
    files: Sequence[Path],
    tallies: Sequence[Tally],
    read: Callable[[Path, Tally], Iterator[pl.DataFrame]],
    maximum_refused: float,
) -> Iterator[pl.DataFrame]:
    """Yield the batches of files, one file after the other.

    Args:
        files: of one table.
        tallies: one for each file.
        read: yields the batches of a file, whose rows it counts.
        maximum_refused: the greatest share of the rows of a file that may be refused.

    Raises:
        InputError: too many rows of a file are refused.
    """
    for file, tally in zip(files, tallies, strict=True):
        yield from read(file, tally)
        tally.check(maximum_refused)


def write_records(
    batches: Iterable[pl.DataFrame],
    path: Path,
    shards: int,
    schema: type[dy.Schema] = Records,
) -> None:
    """Write batches of records, each sorted by shard, so that one shard can be read at a time.

    The file has the columns of the schema and `shard` (UInt16). Only one batch is held in memory.
    The same batches give the same bytes. If a batch cannot be read, no file is written.

    Args:
        batches: records.
        path: of the Parquet file.
        shards: number of shards.
        schema: of the records.
    """
    empty = schema.create_empty().with_columns(shard=pl.lit(0, pl.UInt16))
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, empty.to_arrow().schema, compression="zstd") as writer,
    ):
        for batch in progress(batches, label=path.stem, unit="batches"):
            records = schema.validate(batch.select(schema.column_names()))
            sharded = records.with_columns(shard=shard_of(pl.col("subject_id"), shards))
            ordered = sharded.sort("shard", *schema.column_names())
            writer.write_table(
                ordered.to_arrow().cast(empty.to_arrow().schema), row_group_size=_ROW_GROUP_ROWS
            )


def scan_records(parts: Iterable[Path], shard: int) -> pl.LazyFrame:
    """Scan the records of one shard."""
    return pl.scan_parquet(list(parts)).filter(pl.col("shard") == shard).drop("shard")


def import_files(
    sources: Sequence[Path],
    read: Callable[[Path, Tally], Iterator[pl.DataFrame]],
    records: Path,
    manifest: Path,
    table: str,
    shards: int,
    maximum_refused: float,
    label: str,
    schema: type[dy.Schema] = Records,
) -> None:
    """Write the records of files of one table, and a manifest of what was read and refused.

    Args:
        sources: the files.
        read, maximum_refused: as `read_files` takes them.
        records: the Parquet file (`write_records`).
        manifest: the JSON file.
        table, shards: name of the table, and number of shards.
        label: what the log says before the name of a file.
        schema: of the records.

    Raises:
        InputError: as `read_files`.
    """
    tallies = [Tally(source.name) for source in sources]
    batches = read_files(sources, tallies, read, maximum_refused)
    write_records(batches, records, shards, schema)
    write_json({"table": table, "parts": [tally.manifest() for tally in tallies]}, manifest)
    for tally in tallies:
        refused = count(tally.rows_read - tally.rows_kept)
        kept = count(tally.rows_kept)
        logger.info("%s %s: %s rows kept, %s refused", label, tally.file, kept, refused)
