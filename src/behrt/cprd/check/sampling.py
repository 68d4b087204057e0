"""The sample of a delivered part: its first rows, extracted as in a run."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from behrt.cprd.container import open_text
from behrt.cprd.databases import GOLD, Database
from behrt.cprd.delivery import DeliveredPart
from behrt.cprd.extraction import extract_part
from behrt.cprd.layout import SourceTable
from behrt.cprd.text import split_columns
from behrt.cprd.values import DTYPES, Options
from behrt.settings.concepts import ConceptSettings
from behrt.settings.delivery import CohortRules

WHOLE = (
    "patient",
    "practice",
    "linkage_eligibility",
    "linkage_coverage",
    "hes_hospital",
    "death_patient",
    "emismedicaldictionary",
)
"""Read whole: the cohort, before visits count, depends on them. They are small."""

_UNUSED = 16
"""Of source tables that the run does not read, the sample is this many times smaller."""

_BLOCK = 2**22
_GROUPED = 0.95
"""The share of patients whose records are contiguous in a file that is sorted by patient."""


@dataclass(frozen=True)
class CheckSettings:
    """What a run would do with the delivery, and how much of it the check reads.

    Attributes:
        diagnoses: the source tables whose codes count as diagnoses; None for the usual one.
        rules: the cohort's rules.
        options: how text is read, by source table; none for the usual way.
        maximum_refused: the greatest share of a part's rows that can be refused.
        shards: number of shards.
        threshold: the smallest count of patients or rows to show.
        sample_bytes: about how much text of a file is read; source tables in `WHOLE` are read
            whole, and those that the run does not read to a sixteenth of this.
        lists: folder of the code lists; None: the share of codes that they map is not counted.
        files: patterns of the names of source tables' files (`delivery.files`).
        predictions: the largest average number of times that a patient of the cohort is scored:
            the held-out share, times the models and the tasks.
        database: CPRD's database of the delivery.
        merged: the list of merged practices (CPRD Aurum), or None.
        snomed: the list of SNOMED CT concepts (CPRD Aurum), or None.
        without: the source tables that the run goes without (`delivery.without`).
        inputs: what the run reads (`inputs`).
        concepts: how it reads inputs beyond diagnoses.
        observation_lists: of CPRD Aurum, the code list of tests and of measurements.
    """

    diagnoses: Sequence[str] | None
    rules: CohortRules
    options: Mapping[str, Options]
    maximum_refused: float
    shards: int
    threshold: int
    sample_bytes: int
    lists: Path | None
    files: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    predictions: float = 0.0
    database: Database = GOLD
    merged: Path | None = None
    snomed: Path | None = None
    without: Sequence[str] = ()
    inputs: Sequence[str] = ("diagnoses",)
    concepts: ConceptSettings = field(default_factory=ConceptSettings)
    observation_lists: Mapping[str, Path] = field(default_factory=dict)

    @property
    def source_tables(self) -> list[str]:
        """The source tables that the run reads."""
        return self.database.needed(
            self.diagnoses, self.without, self.rules.state_coverage, self.inputs
        )

    def layout(self, source_table: str) -> SourceTable:
        """Return a source table as the run reads it."""
        unread = self.database.unread(source_table, self.diagnoses, self.inputs)
        return self.database.source_tables[source_table].without(unread)

    @property
    def coded(self) -> list[str]:
        """The source tables that the run reads whose rows have the codes of diagnoses."""
        return self.database.diagnoses(self.diagnoses)[0]

    @property
    def pointing(self) -> list[str]:
        """The source tables that the run reads that point at the rows that are diagnoses."""
        return self.database.diagnoses(self.diagnoses)[1]


@dataclass(frozen=True)
class Runs:
    """The patients whose records are contiguous in what was read of a file and are not cut off.

    Attributes:
        patients: their ids, Int64.
        rows: how many rows each of them has.
        grouped: whether each patient's records are contiguous in the file.
    """

    patients: np.ndarray
    rows: np.ndarray
    grouped: bool

    @classmethod
    def of(cls, patients: np.ndarray, whole: bool) -> "Runs":
        """Find the runs in a column of ids; the last is cut off unless the file was read whole.

        >>> found = Runs.of(np.array([7, 7, 8, 9, 9]), whole=False)
        >>> found.patients.tolist(), found.rows.tolist()
        ([7, 8], [2, 1])
        """
        if not patients.size:
            return cls(patients, np.zeros(0, dtype=np.int64), grouped=True)
        starts = np.flatnonzero(np.r_[True, patients[1:] != patients[:-1]])
        lengths = np.diff(np.r_[starts, patients.size])
        ids, counts = np.unique(patients[starts], return_counts=True)
        once = np.isin(patients[starts], ids[counts == 1])
        if not whole:
            once[-1] = False
        grouped = bool((counts == 1).mean() >= _GROUPED)
        return cls(patients[starts][once], lengths[once], grouped)


@dataclass
class Sample:
    """What was read of one part.

    Attributes:
        part: the part.
        name: the file, below the delivery's folder.
        header: column names, lower case.
        text_bytes: length of the whole text.
        read_bytes: how many of them were read.
        fingerprint: hash of what was read, to distinguish parts.
        rows: the extracted rows; None if there are none.
        manifest: the manifest of the extraction.
        runs: for the source tables whose rows are visits or diagnoses in general practice.
    """

    part: DeliveredPart
    name: str
    header: list[str] = field(default_factory=list)
    text_bytes: int = 0
    read_bytes: int = 0
    fingerprint: str = ""
    rows: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    runs: Runs | None = None

    @property
    def whole(self) -> bool:
        """Whether all of the text was read."""
        return self.read_bytes >= self.text_bytes

    @property
    def all_rows(self) -> float:
        """Rows of the file: counted, or estimated from the length of those that were read."""
        return float(self.manifest["rows_read"]) * self.text_bytes / max(self.read_bytes, 1)


def read_sample(part: DeliveredPart, name: str, settings: CheckSettings, work: Path) -> Sample:
    """Read the first rows of a part, or all of a small source table.

    Args:
        part: the part.
        name: the file, below the delivery's folder.
        settings: of the check.
        work: the folder for what is read.

    Raises:
        InputError: as `behrt.cprd.extraction.extract_part`.
    """
    sample = Sample(part, name)
    limit: int | None = settings.sample_bytes
    if part.source_table in WHOLE:
        limit = None
    elif part.source_table not in settings.source_tables:
        limit = settings.sample_bytes // _UNUSED
    text = work / "text" / part.path.with_suffix(".txt").name
    text.parent.mkdir(parents=True, exist_ok=True)
    _copy_beginning(sample, text, limit)
    rows = work / "rows" / part.source_table / f"{part.part}.parquet"
    try:
        sample.manifest = extract_part(
            text,
            None,
            settings.layout(part.source_table),
            rows,
            shards=settings.shards,
            maximum_refused=settings.maximum_refused,
            options=settings.options.get(part.source_table),
        )
        sample.rows = rows
        if part.source_table in (*settings.database.records, *settings.coded):
            sample.runs = _runs(text, sample)
    finally:
        text.unlink()
    return sample


def _copy_beginning(sample: Sample, text: Path, limit: int | None) -> None:
    """Copy whole lines to `text`, about `limit` bytes or all, and describe them in the sample."""
    digest = hashlib.sha256()
    with open_text(sample.part.path, sample.part.member) as stream, text.open("wb") as copy:
        sample.text_bytes = stream.size
        line = stream.line()
        names = line.decode("utf-8-sig", "replace").split("\t")
        sample.header = [name.strip().lower() for name in names]
        copy.write(line)
        digest.update(line)
        while block := stream.read(_BLOCK if limit is None else min(_BLOCK, limit)):
            block += stream.line()
            copy.write(block)
            digest.update(block)
            sample.read_bytes += len(block)
            if limit is not None and sample.read_bytes >= limit:
                break
    sample.read_bytes += len(line)
    sample.fingerprint = digest.hexdigest()


def _runs(text: Path, sample: Sample) -> Runs:
    header = [name.removeprefix("e_") for name in sample.header]
    with text.open("rb") as stream:
        stream.readline()
        body = stream.read()
    ids = split_columns(body if body.endswith(b"\n") else body + b"\n", header, ["patid"]).columns
    patients = ids["patid"].cast(DTYPES["id"], strict=False).drop_nulls().to_numpy()
    return Runs.of(patients, sample.whole)


def rows_of(samples: Mapping[str, Sequence[Sample]], source_tables: Iterable[str]) -> list[Path]:
    """Return the extracted rows of the samples of some source tables."""
    return [
        sample.rows
        for source_table in source_tables
        for sample in samples.get(source_table, ())
        if sample.rows
    ]
