"""Delivered text files to typed Parquet, sorted by shard, and a manifest of each.

The text is read in batches, so memory does not grow with the file. Columns are found by the names
in the header, read as text and converted once.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from behrt import logs
from behrt.cprd.container import Text, open_text
from behrt.cprd.layout import SourceTable
from behrt.cprd.sharded_rows import write_sharded
from behrt.cprd.text import as_utf8, batches, split_columns
from behrt.cprd.values import DATE_FORMATS, DTYPES, Formats, Options
from behrt.cprd.well_formed import can_be_read, read_well_formed
from behrt.errors import InputError
from behrt.files import atomic

BATCH_BYTES = 4 * 2**20
"""Small enough for the processor's cache."""

# Five digits in a row can be a patient's.
_NAME = re.compile(r"(?!.*[0-9]{5})[a-z_][a-z0-9_ .()?-]{0,63}")
# What sites write for a date that is not known.
_NO_DATE = (
    *("31/12/9999", "9999-12-31", "99991231", "9999/12/31"),
    *("01/01/0001", "0001-01-01", "00010101", "0001/01/01"),
    *("01/01/1600", "1600-01-01", "01/01/1800", "31/12/2999", "2999-12-31"),
)
_FEW = 0.1
"""Of the rows: if more are refused, the file or the configuration is wrong."""

_ADVICE = {
    "too many fields": "A value with a TAB in it, or two rows on a line, moves the others: ask "
    "CPRD for the file again",
    "NUL bytes": "The file is damaged: copy it again as it was delivered",
    "header line again": "Files were joined: deliver the parts as CPRD sent them",
    "blank ": "A row needs this value: look whether the file is the right one, and complete",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def extract_part(
    source: Path,
    member: str | None,
    source_table: SourceTable,
    rows: Path,
    *,
    shards: int,
    maximum_refused: float,
    options: Options | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> dict[str, Any]:
    """Write one delivered part as Parquet and return its manifest: `extract_parts` of one."""
    (manifest,) = extract_parts(
        [(source, member)],
        source_table,
        rows,
        shards=shards,
        maximum_refused=maximum_refused,
        options=options,
        batch_bytes=batch_bytes,
    )
    return manifest


def extract_parts(
    sources: Sequence[tuple[Path, str | None]],
    source_table: SourceTable,
    rows: Path,
    *,
    shards: int,
    maximum_refused: float,
    options: Options | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> list[dict[str, Any]]:
    """Write delivered parts of one table as one Parquet file and return the manifest of each.

    Blanks are added to a short row, except to a last row without a line end: there the file is cut
    short. A blank line is not a row. A row is refused if it has too many fields, lacks a required
    value, has a value that cannot be read, holds NUL bytes, or is the header line again.

    Args:
        sources: pairs of a .txt and None, or of a .zip and the name of the text inside it.
        source_table: which source table they are of.
        rows: the Parquet file: the columns of `source_table.types` in order, and `shard` (UInt16)
            for tables with patid; sorted by shard, then by every other column. No row group spans
            two shards, so statistics lead the reader of a shard to its rows only.
        shards: number of shards.
        maximum_refused: the greatest share of the rows of a part that can be refused.
        options: formats and names that are given; others are inferred.
        batch_bytes: how much text is in memory at a time; the result does not depend on it.

    Returns:
        Of each part: file, table, generation (the one whose columns differ least from the header),
        columns (of those read, the delivered name where it is not ours), formats (column to
        format), encoding, unknown_columns and absent_columns (compared with that generation),
        rows_read, rows_kept, rows_refused (reason to rows), first_refused (reason to the number of
        the first such line, the header's being 1) and short_rows; rows read are rows kept and rows
        refused.

    Raises:
        InputError: a column is missing or mixes two formats; too many rows are refused; the file
            cannot be read, is damaged or cut short, or is not text with TABs between values.
    """
    chosen = options or Options()
    readers = [_Reader(source_table, Formats(source.name, chosen)) for source, _ in sources]
    schema = {name: DTYPES[kind] for name, kind in source_table.types.items()}

    def frames() -> Iterator[pl.DataFrame]:
        for reader, (source, member) in zip(readers, sources, strict=True):
            with open_text(source, member) as text:
                yield from _rows(reader, text, batch_bytes, maximum_refused)

    with atomic(rows) as temporary:
        write_sharded(frames(), temporary, schema, shards if "patid" in schema else None)
    return [reader.manifest() for reader in readers]


def _rows(
    reader: "_Reader", text: Text, batch_bytes: int, maximum_refused: float
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a part that can be used, by batch."""
    reader.read_header(text)
    with (
        logs.progress(total=text.size, label=text.name, unit="B") as bar,
        closing(batches(text, batch_bytes)) as texts,
    ):
        for lines in texts:
            yield reader.read(lines)
            bar.update(len(lines))
    reader.check_refused(maximum_refused)


@dataclass
class _Reader:
    """Converts one batch after another, and keeps what was inferred and counted."""

    source_table: SourceTable
    formats: Formats
    header: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    lines_read: int = 1
    rows_read: int = 0
    rows_kept: int = 0
    short_rows: int = 0
    other_lines: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, int] = field(default_factory=dict)
    bad_texts: dict[str, set[str]] = field(default_factory=dict)

    def read_header(self, text: Text) -> None:
        file = self.formats.file
        line = text.line()
        if line.startswith(_UTF_16) or b"\0" in line:
            raise InputError(
                file,
                "it is written in UTF-16, or its first line is damaged",
                "Copy it again as it was delivered, or save it as UTF-8",
            )
        if b"\r" in line.rstrip(b"\r\n"):
            raise InputError(
                file, "its lines end with CR only", "Copy it again as it was delivered"
            )
        if not line.strip():
            raise InputError(
                file, "its first line is blank" if line else "it is empty", "Copy the file again"
            )
        names = line.decode("utf-8-sig", errors="replace").split("\t")
        self.delivered = [name.strip().lower().removeprefix("e_") for name in names]
        renamed = {**self.source_table.renamed, **self.formats.options.columns}
        self.header = [renamed.get(name, name) for name in self.delivered]
        self._check_header(line)
        self.formats.delivered = {name: self.delivered_as(name) for name in self.source_table.types}
        if unknown := self.unknown_columns():
            logs.logger.warning("%s: columns not known, not read: %s", file, ", ".join(unknown))

    def _check_header(self, line: bytes) -> None:
        """Refuse a header that lacks a column, or is none; the error shows nothing of a row."""
        file, wanted = (
            self.formats.file,
            ", ".join(map(self.source_table.theirs, self.source_table.types)),
        )
        missing = [name for name in self.source_table.types if name not in self.header]
        fix = f"A {self.source_table.name} file needs a TAB-separated header line with {wanted}"
        if b"\t" not in line and len(self.source_table.types) > 1:
            other = {",": "commas", ";": "semicolons", "|": "vertical bars"}
            found = [name for mark, name in other.items() if mark.encode() in line]
            kind = f", but has {found[0]}" if found else ""
            raise InputError(file, f"its first line has no TABs{kind}", fix)
        if missing:
            known = set(self.delivered) & (
                self.source_table.known() | set(self.source_table.renamed)
            )
            if not known:
                raise InputError(file, "its first line is not a header line", fix)
            raise InputError(
                file,
                f"no column {', '.join(map(self.source_table.theirs, missing))} in the first line",
                f"{fix}; if the column has another name, set extract.columns",
            )
        twice = [name for name in self.source_table.types if self.header.count(name) > 1]
        if twice:
            twice = list(map(self.source_table.theirs, twice))
            raise InputError(file, f"two columns {', '.join(twice)}", "Ask CPRD for it again")
        odd = [
            index
            for index, name in enumerate(self.delivered, start=1)
            if name and not _NAME.fullmatch(name)
        ]
        if odd:
            raise InputError(file, f"field {odd[0]} of its first line is not a column name", fix)

    def unknown_columns(self) -> list[str]:
        known = (
            self.source_table.known()
            | set(self.source_table.renamed)
            | set(self.source_table.types)
        )
        known |= set(self.formats.options.columns)
        return sorted(name for name in set(self.delivered) - known if name)

    def delivered_as(self, name: str) -> str:
        """Return the file's name of a column that is read."""
        return self.delivered[self.header.index(name)]

    def read(self, text: bytes) -> pl.DataFrame:
        """Convert a batch of whole lines; return the rows that can be used."""
        if not text.endswith(b"\n"):
            last = text[text.rfind(b"\n") + 1 :]
            if last.count(b"\t") + 1 < len(self.header):
                raise InputError(
                    self.formats.file, "it ends within a row, cut short", "Copy the file again"
                )
            text += b"\n"
        rows = self._read_well_formed(text)
        return self._read_any(text) if rows is None else rows

    def _read_well_formed(self, text: bytes) -> pl.DataFrame | None:
        """Convert a batch of which every row can be used; return None for any other batch."""
        types = self.source_table.types
        if self.formats.options.blank or not can_be_read(types):
            return None
        rows = read_well_formed(text, self.header, types)
        if rows is None or any(rows[name].has_nulls() for name in self.source_table.required):
            return None
        first = self.lines_read + 1
        self.formats.line_of = lambda row: first + row
        typed = rows.with_columns(
            self.formats.typed(rows[name], kind) for name, kind in types.items() if kind == "date"
        )
        if typed.null_count().row(0) != rows.null_count().row(0):
            return None
        self.rows_read += rows.height
        self.lines_read += rows.height
        self.rows_kept += rows.height
        return typed

    def _read_any(self, text: bytes) -> pl.DataFrame:
        """Convert a batch, and count the rows that cannot be used by reason."""
        lines, other_lines = as_utf8(text, self.formats.options.encoding)
        self.other_lines += other_lines
        rows = split_columns(lines, self.header, list(self.source_table.types))
        raw = rows.columns

        def line_of(row: int, before: int = self.lines_read) -> int:
            return before + 1 + (row if rows.lines is None else int(rows.lines[row]))

        self.formats.line_of = line_of
        for blank in self.formats.options.blank:
            raw = raw.with_columns(pl.all().replace(blank, None))
        # CPRD writes 0 for an unknown year.
        years = [name for name, kind in self.source_table.types.items() if kind == "year"]
        raw = raw.with_columns(pl.col(name).replace("0", None) for name in years)
        reasons: dict[str, pl.Series] = {}
        if rows.surplus is not None and rows.damaged is not None:
            self.short_rows += int((rows.surplus < 0).sum())
            reasons["NUL bytes"] = rows.damaged
            reasons["too many fields"] = rows.surplus > 0
        key = next(iter(self.source_table.types))
        reasons["header line again"] = (
            raw[key].str.to_lowercase().str.strip_prefix("e_") == self.delivered_as(key)
        ).fill_null(value=False)
        for bad in reasons.values():
            if bad.any():  # a refused row must not decide a format
                raw = raw.with_columns(pl.when(~bad).then(pl.all()))
        typed = raw.select(
            self.formats.typed(raw[name], kind) for name, kind in self.source_table.types.items()
        )
        for name in self.source_table.types:
            delivered = self.delivered_as(name)
            unreadable = raw[name].is_not_null() & typed[name].is_null()
            reasons[f"unreadable {delivered}"] = unreadable
            self._keep_texts(name, raw[name].filter(unreadable))
            if name in self.source_table.required:
                reasons[f"blank {delivered}"] = typed[name].is_null()
        usable = pl.Series([True]).new_from_index(0, raw.height)
        for reason, bad in reasons.items():
            refused = usable & bad
            if refused.any():
                self.refused[reason] += int(refused.sum())
                self.first_refused.setdefault(reason, line_of(refused.arg_max() or 0))
            usable &= ~bad
        self.rows_read += raw.height
        self.lines_read += lines.count(b"\n")
        kept = typed.filter(usable)
        self.rows_kept += kept.height
        return kept

    def _keep_texts(self, column: str, bad: pl.Series) -> None:
        """Keep up to two different texts of a column that cannot be read."""
        known = self.bad_texts.setdefault(column, set())
        if len(known) < 2 and bad.len():
            known.update(bad.unique().sort().head(2).to_list())

    def check_refused(self, maximum: float) -> None:
        """Raise an InputError if a greater share of the rows than `maximum` is refused.

        The advice follows from the most frequent reason.
        """
        refused = self.rows_read - self.rows_kept
        if refused <= maximum * self.rows_read:
            return
        shares = [
            f"{reason} {count / self.rows_read:.1%}, first in line {self.first_refused[reason]}"
            for reason, count in self.refused.most_common()
        ]
        raise InputError(
            self.formats.file,
            f"{refused / self.rows_read:.1%} of the rows cannot be used ({'; '.join(shares)}), "
            f"more than the {maximum:.1%} that `extract.maximum_refused` allows",
            self._advice(refused / self.rows_read),
        )

    def _advice(self, share: float) -> str:
        reason = self.refused.most_common(1)[0][0]
        few = share <= _FEW
        if reason.startswith("unreadable "):
            advice = self._advice_about(reason.removeprefix("unreadable "))
            few &= "extract.blank" not in advice
        else:
            advice = next(text for start, text in _ADVICE.items() if reason.startswith(start))
        if few:
            advice += "; if these rows are not needed, raise `extract.maximum_refused`"
        return advice

    def _advice_about(self, delivered: str) -> str:
        """Return the advice about a column whose values cannot be read."""
        column = self.header[self.delivered.index(delivered)]
        kind = self.source_table.types[column]
        texts = self.bad_texts[column]
        if len(texts) == 1 and self.refused[f"unreadable {delivered}"] > 1:
            (text,) = texts
            return (
                f"All of them hold the same text{_quoted(text)}: if it stands for no value, add it "
                "to `extract.blank`"
            )
        if kind == "date":
            known = ", ".join(DATE_FORMATS)
            return (
                f"Dates are read as one of {known}, the same in a whole column: deliver them so, "
                "or state the format of the others in `extract.date_format`"
            )
        if kind == "id" and any(re.search(r"[.,]|[eE]\+", text) for text in texts):
            return (
                "A program has turned ids into decimals, which can change them: deliver the file "
                "as CPRD sent it"
            )
        return f"Look at the values of {delivered} in the file, and ask CPRD for it again"

    def manifest(self) -> dict[str, Any]:
        generation = self.source_table.nearest_generation(self.delivered)
        usual = {name.lower() for name in self.source_table.generations[generation]}
        renamed = zip(self.header, self.delivered, strict=True)
        return {
            "file": self.formats.file,
            "table": self.source_table.name,
            "generation": generation,
            "columns": {ours: name for ours, name in renamed if ours != name},
            "formats": self.formats.found,
            "encoding": self.formats.options.encoding
            or ("cp1252" if self.other_lines else "utf-8"),
            "unknown_columns": self.unknown_columns(),
            "absent_columns": sorted(usual - set(self.delivered)),
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_refused": dict(self.refused),
            "first_refused": self.first_refused,
            "short_rows": self.short_rows,
        }


def _quoted(text: str) -> str:
    """Return a placeholder in quotes; nothing for a text that can be a patient's."""
    digits = re.sub(r"[^0-9]", "", text)
    placeholder = set(digits) <= {"0", "9"} or text in _NO_DATE
    shown = len(text) <= 20 and text.isprintable() and (placeholder or len(digits) < 3)
    return f" ({text!r})" if shown else ""
