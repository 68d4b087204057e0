"""One delivered text file to typed Parquet, sorted by shard, and a manifest of what was done.

The text is read in batches, so memory does not grow with the file. Columns are found by header
name, read as text and typed once.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow.parquet as pq

from behrt import logs
from behrt.cprd.layout import Table
from behrt.cprd.text import batches, open_text, split_columns
from behrt.cprd.values import DATE_FORMATS, DTYPES, Formats, Options
from behrt.errors import InputError
from behrt.files import atomic
from behrt.hashing import shard_of

# Columns that came or went over the years, CPRD GOLD's SNOMED CT block among them.
KNOWN_COLUMNS = set(
    """
    sctid sctdescid sctexpression sctmaptype sctmapversion sctisindicative sctisassured textid
    data8 data9 data10 data11 data12 ses attendtype ndd drugdmd prn linkyear hes_op_e hes_ae_e
    hes_did_e sgss_e chess_e sact_e rtds_e mhds_e icnarc_e bsa_dispensing_e minap_e ons_death_e
    mpsid cprd_mpsid ethnos
    """.split()  # noqa: SIM905
)

BATCH_BYTES = 32 * 2**20
ROW_GROUP_ROWS = 2**20


def extract_part(
    source: Path,
    member: str | None,
    table: Table,
    rows: Path,
    *,
    shards: int,
    maximum_refused: float,
    options: Options | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> dict[str, Any]:
    """Write one delivered part as Parquet and return its manifest.

    A short row is filled up with blanks, but for a last one without its line end, which shows a
    file cut short; a blank line is no row. A row is refused if it has too many fields, lacks a
    required value, or has a value that cannot be read.

    Args:
        source: a .txt, or a .zip that holds `member`.
        member: name inside the zip; None for a .txt.
        table: which table it is.
        rows: the Parquet file: the columns of `table.types` in order, and `shard` (UInt16) for
            tables with patid; sorted by shard, then by every other column. No row group spans two
            shards, so statistics lead the reader of a shard to its rows alone.
        shards: number of shards.
        maximum_refused: greatest share of rows that may be refused.
        options: formats, where they are not to be found out.
        batch_bytes: how much text is held at a time; the result does not depend on it.

    Returns:
        file, table, rows_read, rows_kept, rows_refused (reason to rows), short_rows, formats
        (column to format) and unknown_columns; rows read are rows kept and rows refused.

    Raises:
        InputError: a column is missing, or mixes two formats; too many rows are refused; the file
            is cut short, or the zip damaged.
    """
    reader = _Reader(table, Formats(source.name, options or Options()))
    schema: dict[str, type[pl.DataType]] = {
        name: DTYPES[kind] for name, kind in table.types.items()
    }
    sharded = "patid" in schema
    with atomic(rows) as temporary, _folder_beside(rows) as folder:
        with open_text(source, member) as (stream, size):
            reader.read_header(stream)
            with logs.progress(total=size, label=source.name, unit="B") as bar:
                for index, text in enumerate(batches(stream, batch_bytes)):
                    frame = reader.read(text)
                    if sharded:
                        shard = shard_of(pl.col("patid"), shards)
                        frame = frame.with_columns(shard=shard).sort("shard")
                    frame.write_parquet(
                        folder / f"{index:06d}.parquet",
                        compression="lz4",
                        row_group_size=max(frame.height // shards, 1024),
                    )
                    bar.update(len(text))
        reader.check_refused(maximum_refused)
        if sharded:
            schema["shard"] = pl.UInt16
        _write_sorted(folder, temporary, schema, shards if sharded else None)
    return reader.manifest()


@dataclass
class _Reader:
    """Types one batch after the other; remembers what was decided and counted."""

    table: Table
    formats: Formats
    header: list[str] = field(default_factory=list)
    rows_read: int = 0
    rows_kept: int = 0
    short_rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def read_header(self, stream: IO[bytes]) -> None:
        line = stream.readline().decode("utf-8-sig", errors="replace")
        names = [name.strip().lower().removeprefix("e_") for name in line.split("\t")]
        self.header = [self.table.renamed.get(name, name) for name in names]
        file = self.formats.file
        missing = [name for name in self.table.types if name not in self.header]
        if missing:
            raise InputError(
                file,
                f"no column {', '.join(missing)} in the first line",
                f"A {self.table.name} file needs a TAB-separated header line with "
                f"{', '.join(self.table.types)}",
            )
        twice = [name for name in self.table.types if self.header.count(name) > 1]
        if twice:
            raise InputError(file, f"two columns {', '.join(twice)}", "Ask CPRD for it anew")
        if unknown := self.unknown_columns():
            logs.logger.warning("%s: columns not known, not read: %s", file, ", ".join(unknown))

    def unknown_columns(self) -> list[str]:
        known = {name.lower() for name in self.table.columns} | set(self.table.types)
        return sorted(name for name in set(self.header) - known - KNOWN_COLUMNS if name)

    def read(self, text: bytes) -> pl.DataFrame:
        """Type a batch of whole lines; return the rows that can be used."""
        if not text.endswith(b"\n"):
            last = text[text.rfind(b"\n") + 1 :]
            if last.count(b"\t") + 1 < len(self.header):
                raise InputError(
                    self.formats.file, "it ends within a row, cut short", "Copy the file again"
                )
            text += b"\n"
        raw, surplus = split_columns(text, self.header, list(self.table.types))
        # CPRD writes 0 for a year that is not known.
        years = [name for name, kind in self.table.types.items() if kind == "year"]
        raw = raw.with_columns(pl.col(name).replace("0", None) for name in years)
        typed = raw.select(
            self.formats.typed(raw[name], kind) for name, kind in self.table.types.items()
        )
        self.rows_read += raw.height
        reasons = {}
        if surplus is not None:
            self.short_rows += int((surplus < 0).sum())
            reasons["too many fields"] = surplus > 0
        for name in self.table.types:
            reasons[f"unreadable {name}"] = raw[name].is_not_null() & typed[name].is_null()
            if name in self.table.required:
                reasons[f"blank {name}"] = typed[name].is_null()
        usable = pl.Series([True]).new_from_index(0, raw.height)
        for reason, bad in reasons.items():
            self.refused[reason] += int((usable & bad).sum())
            usable &= ~bad
        kept = typed.filter(usable)
        self.rows_kept += kept.height
        return kept

    def check_refused(self, maximum: float) -> None:
        refused = self.rows_read - self.rows_kept
        if refused <= maximum * self.rows_read:
            return
        shares = [
            f"{reason} {count / self.rows_read:.1%}"
            for reason, count in self.refused.most_common()
            if count
        ]
        date = any(
            self.refused[f"unreadable {name}"]
            for name, kind in self.table.types.items()
            if kind == "date"
        )
        formats = f" (dates are read as {', '.join(DATE_FORMATS)})" if date else ""
        raise InputError(
            self.formats.file,
            f"{refused / self.rows_read:.1%} of the rows cannot be used ({', '.join(shares)}), "
            f"more than the {maximum:.1%} that `maximum_refused` allows",
            f"Look at the file{formats}; if it is as it should be, raise `maximum_refused`",
        )

    def manifest(self) -> dict[str, Any]:
        return {
            "file": self.formats.file,
            "table": self.table.name,
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_refused": {reason: count for reason, count in self.refused.items() if count},
            "short_rows": self.short_rows,
            "formats": self.formats.found,
            "unknown_columns": self.unknown_columns(),
        }


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    folder = path.with_name(f".{path.name}.batches")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_sorted(
    folder: Path, path: Path, schema: dict[str, type[pl.DataType]], shards: int | None
) -> None:
    """Join the batches, one shard after the other, so that only a shard is held at a time."""
    empty = pl.DataFrame(schema=schema)
    files = sorted(folder.iterdir())
    scanned = pl.scan_parquet(files) if files else empty.lazy()
    selections = (
        [scanned]
        if shards is None
        else [scanned.filter(pl.col("shard") == shard) for shard in range(shards)]
    )
    with pq.ParquetWriter(path, empty.to_arrow().schema, compression="zstd") as writer:
        for selection in selections:
            frame = selection.sort(pl.exclude("shard")).collect()
            if frame.height:
                writer.write_table(frame.to_arrow(), row_group_size=ROW_GROUP_ROWS)
