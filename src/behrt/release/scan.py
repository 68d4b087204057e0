"""A scan of the files of a run for patients' ids, exact dates, and small counts.

The scan reads the contents of each file, however it was made, and reports the place of a finding,
never its value. It finds numbers that are in the files. Numbers that follow from others by
subtraction are found by `behrt.release.derived`, those that follow from scores by
`behrt.release.solved`.
"""

import csv
import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plotly.offline import get_plotlyjs

from behrt.disclosure import (
    COUNTS,
    IDENTIFIERS,
    SHARE_DECIMALS,
    SHARES,
    Rules,
    is_number,
    shares,
)
from behrt.errors import InputError
from behrt.run_folders import CODE_LISTS, PATIENT_DATA

IDENTIFIER = "a patient's id"
DATE = "an exact date"
SMALL = "a small count of patients"
ROUNDED = "a count that is not rounded"
EXACT = "a share that is not that of the counts in its row"
SOLVED = "a small count of patients that follows from printed scores"
EXACT_PART = "a share from which a count could be computed"
UNKNOWN = "whole numbers of unknown meaning"
OPAQUE = "a kind of file that the scan cannot read"
ROWS = "rows of data outside the folders of patients' data"

_LEAST_DIGITS = 5

_NAMED = r"(?:patid|(?:person|patient|subject)_?id)s?"
_NAME = re.compile(rf"(?:\w+[_.])?{_NAMED}", re.IGNORECASE)
"""The name of an id in a column, a key or a heading."""
_AFTER_NAME = re.compile(
    rf"(?<![a-z]){_NAMED}[\"']?\s*[=:#]?\s*[\[({{]*\s*[\"']?-?\d", re.IGNORECASE
)
_AFTER_WHO = re.compile(
    r"(?<!\w)(?:patient|person|subject)(?: (?:id|no\.?|number)\s*:?)?\s*[=#]?\s*[\"']?"
    r"(?:(?<=[\s=\"'])-)?(\d{1,19})(?![\w.,]*\d)",
    re.IGNORECASE,
)

_DIGIT = re.compile(r"\d")
_WHOLE = re.compile(r"(?<![\w.])\d{5,19}(?:\.0+)?(?![\w.]*\w)")
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATES = (
    (re.compile(r"(?<![\d.])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)"), "ymd"),
    (re.compile(r"(?<![\d.])(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)"), "dmy"),
    (re.compile(r"(?<![\w.])(\d{4})(\d{2})(\d{2})(?![\w.]*\w)"), "ymd"),
    (re.compile(rf"(?<!\w)(\d{{1,2}})(?:st|nd|rd|th)? ({_MONTHS})[a-z]*\.?,? (\d{{4}})"), "dmy"),
    (re.compile(rf"(?<!\w)({_MONTHS})[a-z]*\.? (\d{{1,2}})(?:st|nd|rd|th)?, (\d{{4}})"), "mdy"),
)
_WHO = r"(?:patients?|people|persons?|subjects?|individuals?|women|woman|men|man|deaths?)"
_COUNTED = (
    re.compile(rf"(?<![\w.,-])(\d+) (?:[a-z-]+ )?{_WHO}(?!\w)"),
    re.compile(rf"(?<!\w)(?:{_WHO}|positives|n) ?[=:] ?(\d+)(?![\w.,]*\d)", re.IGNORECASE),
)


@dataclass(frozen=True, order=True)
class Finding:
    """Something that must not be published: the file, the place in it, and the kind of finding."""

    file: str
    place: str
    kind: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.kind}"


@dataclass(frozen=True)
class Watch:
    """What the scan looks for.

    Attributes:
        ids: int64, the patients' ids. Ids of fewer than five digits look like any other number.
            They are found where a name shows what they are: a column or key such as
            `subject_id`, "subject_id=12", "patient 12".
        rules: which counts are small.
        dates: days that are allowed, such as those of the study.
    """

    ids: np.ndarray
    rules: Rules
    dates: frozenset[date] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        ids = np.unique(np.abs(np.asarray(self.ids, dtype=np.int64)))  # text is searched for digits
        object.__setattr__(self, "ids", ids)

    def knows(self, number: int, named: bool = False) -> bool:
        """Return whether a whole number is a patient's id.

        Args:
            number: any whole number.
            named: whether a name shows that it is an id, so that short ids are found too.
        """
        number = abs(number)
        if not len(self.ids) or number > self.ids[-1]:
            return False
        if not named and number < 10 ** (_LEAST_DIGITS - 1):
            return False
        return bool(self.ids[np.searchsorted(self.ids, number)] == number)

    def kinds(self, text: str) -> Iterator[str]:
        """Yield the kind of each finding in a text."""
        if _DIGIT.search(text) is None:  # every finding has a number
            return
        known = any(self.knows(int(found[0].split(".")[0])) for found in _WHOLE.finditer(text))
        called = (int(found[1]) for found in _AFTER_WHO.finditer(text))
        if known or _AFTER_NAME.search(text) or any(self.knows(id_, True) for id_ in called):
            yield IDENTIFIER
        if any(day not in self.dates for day in _days(text)):
            yield DATE
        counted = (int(found[1]) for pattern in _COUNTED for found in pattern.finditer(text))
        if any(0 < count < self.rules.threshold for count in counted):
            yield SMALL

    def kind_of_count(self, count: float) -> str | None:
        """Return the kind of finding that a count of patients is, or None."""
        if 0 < count < self.rules.threshold:
            return SMALL
        return ROUNDED if count % self.rules.rounding else None


def names_ids(name: str) -> bool:
    """Return whether a column or key of this name holds ids."""
    return name in IDENTIFIERS or _NAME.fullmatch(name.strip()) is not None


def _days(text: str) -> Iterator[date]:
    """Yield the calendar days that a text names."""
    for pattern, order in _DATES:
        for found in pattern.finditer(text):
            part = dict(zip(order, found.groups(), strict=True))
            month = part["m"] if part["m"].isdigit() else _MONTHS.split("|").index(part["m"]) + 1
            try:
                day = date(int(part["y"]), int(month), int(part["d"]))
            except ValueError:
                continue
            if 1850 <= day.year <= 2100:
                yield day


def _in_lines(text: str, watch: Watch) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for kind in watch.kinds(line):
            yield f"line {number}", kind


def _in_values(value: Any, watch: Watch, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield findings in the values of a JSON file or a checkpoint."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _in_values(str(name), watch, key)
            yield from _in_values(inner, watch, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _in_values(inner, watch, key)
    elif isinstance(value, str) and names_ids(key) and value.strip().removeprefix("-").isdigit():
        yield f"key {key!r}", IDENTIFIER
    elif isinstance(value, str):
        yield from ((f"key {key!r}", found) for found in watch.kinds(value))
    elif isinstance(value, int) and not isinstance(value, bool):
        if names_ids(key) or watch.knows(value):
            yield f"key {key!r}", IDENTIFIER
        elif key in COUNTS and (kind := watch.kind_of_count(value)):
            yield f"key {key!r}", kind


def _in_table(path: Path, watch: Watch) -> Iterator[tuple[str, str]]:
    """Yield findings in a table, whose columns' names show which of them are counts."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    whole: dict[str, bool] = {}
    kinds = cache(lambda cell: tuple(watch.kinds(cell)))  # most cells are repeated
    for number, row in enumerate(rows, 2):
        for name, cell in row.items():
            if not cell:
                continue
            counts = name in COUNTS or (name == "value" and row.get("statistic") == "count")
            if counts:
                if kind := watch.kind_of_count(float(cell)):
                    yield f"line {number}, column {name!r}", kind
                continue
            if not is_number(name, list(row)):
                yield from ((f"line {number}, column {name!r}", kind) for kind in kinds(cell))
            whole[name] = whole.get(name, True) and re.fullmatch(r"-?\d+", cell) is not None
    yield from ((f"line {number}, column {name!r}", EXACT) for number, name in _exact_shares(rows))
    for name, all_whole in whole.items():
        if names_ids(name):
            yield f"column {name!r}", IDENTIFIER
        elif all_whole and not is_number(name, list(whole)):
            yield f"column {name!r}", UNKNOWN


def _exact_shares(rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[int, str]]:
    """Yield the line and the column of shares that are not those of the counts of their row."""

    def column(name: str) -> np.ndarray:
        return np.array([float(row.get(name) or "nan") for row in rows])

    for name, counts in SHARES.items():
        shown = [name + end for end in ("", "_low", "_high") if rows and name + end in rows[0]]
        if not shown:
            continue
        right = shares(*map(column, counts))
        for share in shown:
            given = np.array([bool(row.get(share)) for row in rows])
            near = np.abs(column(share) - right[share.removeprefix(name)]) <= 10.0**-SHARE_DECIMALS
            yield from ((line, share) for line in (np.flatnonzero(given & ~near) + 2).tolist())


@cache
def _library() -> str:
    return str(get_plotlyjs()).strip()


def _texts_of_page(text: str) -> Iterator[str]:
    """Yield the texts and scripts of an SVG or HTML page, except the plotting library."""
    for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.S):
        if script.strip() != _library():
            yield script
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", text, flags=re.S)
    yield from re.findall(r"<!--(.*?)-->", text, re.S)
    yield from re.findall(r"\s(?:title|alt|data-[\w-]+|aria-label)=\"([^\"]*)\"", text)
    yield from re.findall(r">([^<>]+)<", re.sub(r"<!--.*?-->", " ", text, flags=re.S))


_SHARES_OF_TOTALS = (
    (r"prevalence\W{1,6}(\d[\d.e-]*) %", r"among ([\d,]+) training patients", 100),
    (r"\"average\": ?(\d[\d.e-]*)", r"\"tuning_patients\": ?(\d+)", 1),
)
"""Shares in pages: their pattern, that of the patients that they are of, and the value of all."""


def _exact_in_page(text: str, rules: Rules) -> Iterator[str]:
    """Yield shares in a page that are not as `Rules.coarse_share` gives them."""
    for pattern, of, one in _SHARES_OF_TOTALS:
        if (total := re.search(of, text)) is None:
            continue
        coarse = {f"{share:.4g}" for share in rules.coarse_shares(int(total[1].replace(",", "")))}
        for share in set(re.findall(pattern, text, re.IGNORECASE)):
            if f"{float(share) / one:.4g}" not in coarse:
                yield "a share"


def _in_page(text: str, watch: Watch) -> Iterator[tuple[str, str]]:
    for words in dict.fromkeys(_texts_of_page(text)):
        if _NAME.fullmatch(words.strip()):
            yield "a heading", IDENTIFIER
        for kind in watch.kinds(" ".join(unescape(words).split())):
            yield "a text", kind
    yield from ((place, EXACT_PART) for place in _exact_in_page(text, watch.rules))


def _texts_of_png(path: Path) -> Iterator[str]:
    """Yield the text chunks of an image. (W3C, Portable Network Graphics, section 11.3.3.)"""
    content = path.read_bytes()
    at = 8
    while at + 8 <= len(content):
        (length,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        chunk = content[at + 8 : at + 8 + length]
        if kind == b"zTXt":
            chunk = zlib.decompress(chunk.split(b"\0", 1)[1][1:])
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf"):
            yield chunk.replace(b"\0", b" ").decode("utf-8", "replace")
        at += 12 + length


def _header(path: Path) -> dict[str, Any]:
    """Return the metadata of a safetensors file and the names of its tensors."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    return {"metadata": header.pop("__metadata__", {}), "names": list(header)}


def _in_file(path: Path, watch: Watch) -> Iterator[tuple[str, str]]:
    kind = path.suffix.lower()
    if kind == ".csv":
        yield from _in_table(path, watch)
    elif kind == ".json":
        yield from _in_values(json.loads(path.read_text(encoding="utf-8")), watch)
    elif kind == ".jsonl":
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for _, found in _in_values(json.loads(line), watch):
                yield f"line {number}", found
    elif kind in (".log", ".txt", ".yaml", ".md", ".rst"):
        yield from _in_lines(path.read_text(encoding="utf-8"), watch)
    elif kind in (".svg", ".html"):
        yield from _in_page(path.read_text(encoding="utf-8"), watch)
    elif kind == ".png":
        for text in _texts_of_png(path):
            yield from (("a text chunk", found) for found in watch.kinds(text))
    elif kind == ".safetensors":
        yield from _in_values(_header(path), watch)
    elif kind == ".pt":
        yield from _in_values(torch.load(path, map_location="cpu", weights_only=True), watch)
    elif kind == ".parquet":
        yield "the file", ROWS
    else:
        yield "the file", OPAQUE


def scan(folder: Path, files: Iterable[Path], watch: Watch) -> list[Finding]:
    """Return the findings in some files, sorted, one for each place and kind.

    Args:
        folder: findings name files by their path from this folder.
        files: in the folder. Tables (CSV), JSON, text, SVG, HTML and the texts of PNG are read
            completely; of weights (safetensors), the header; of checkpoints, all but the tensors.
        watch: what to look for.

    Raises:
        InputError: a file is damaged.
    """
    found = set()
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            found |= {Finding(name, place, kind) for place, kind in _in_file(path, watch)}
        except (ValueError, csv.Error, struct.error, zlib.error, KeyError):
            raise InputError(
                name, "it is not a valid file of its kind", "Delete it and rerun"
            ) from None
        found |= {Finding(name, "its name", kind) for kind in watch.kinds(name)}
    return sorted(found)


def files_of_run(folder: Path) -> list[Path]:
    """Return the files of a run, sorted, other than rows of patients and public code lists."""
    files = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        # In the logs, such a name is that of a stage; elsewhere, a folder may be a small run.
        hold = parts[:1] if parts[0] in ("logs", "benchmarks") else parts
        if path.is_file() and not {*PATIENT_DATA, *CODE_LISTS} & set(hold):
            files.append(path)
    return [path for path in files if path.name != ".snakemake_timestamp"]
