"""A look at a delivery before hours of work: what is there, what is missing, what a run needs.

The small tables are read whole, of every other file the first megabytes. What is read goes through
the same code as a run's, into a folder that is deleted afterwards. The report holds no patient id,
no date, and no small count.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from behrt import logs
from behrt.caliber.lists import read_lists
from behrt.caliber.snomed import read_snomed
from behrt.cprd import cohort
from behrt.cprd.container import open_text
from behrt.cprd.databases import GOLD, Database
from behrt.cprd.delivery import DeliveredPart, survey
from behrt.cprd.diagnoses import read_mapping, scan_diagnoses
from behrt.cprd.extract import extract_part
from behrt.cprd.file_names import file_pattern
from behrt.cprd.layout import SourceTable
from behrt.cprd.medical_dictionary import map_medcodes
from behrt.cprd.shards import scan
from behrt.cprd.text import split_columns
from behrt.cprd.values import DTYPES, Options
from behrt.disclosure import hide_steps
from behrt.errors import InputError
from behrt.files import write_parquet

# What the cohort is chosen from before visits count; small beside the tables of records.
WHOLE = (
    "patient",
    "practice",
    "linkage_eligibility",
    "linkage_coverage",
    "hes_hospital",
    "death_patient",
    "emismedicaldictionary",
)
# Of tables that the run does not read, this part of a sample will do.
UNUSED = 16
# The build's eligibility file tells of every patient, of whom a delivery holds a selection.
OF_THE_BUILD = ("linkage_eligibility",)

MEANING = {
    "patient": "nobody can be selected",
    "practice": "follow-up cannot be told, which needs the practice's own dates",
    "consultation": "visits without another record do not count, and the cohort shrinks",
    "clinical": "there are no diagnoses from general practice",
    "observation": "there are no diagnoses from general practice",
    "problem": "it is not known which observations are problems",
    "emismedicaldictionary": "no code of general practice can be mapped to a disease",
    "referral": "diagnoses that only a referral carries are not seen",
    "test": "diagnoses that only a test carries are not seen",
    "linkage_eligibility": "it is not known who can be linked to HES, so nobody is selected",
    "linkage_coverage": "HES's first and last day must be set, as cohort.hes_start and hes_end",
    "hes_hospital": "admissions without a diagnosis are no visits",
    "hes_diagnosis_hosp": "there are no diagnoses from hospital",
    "death_patient": "death is CPRD's own date alone, which ONS's is preferred to",
}

# Measured on simulated deliveries of 40,000 patients: memory of the stages from cohort to
# sequences above that of an empty process, and what they write beside the extracted tables.
BYTES_A_ROW = 150
MEGABYTES_A_PROCESS = 300
LATER_STAGES = 0.5
# Training held 1.5 GB for a cohort of 65,000 simulated patients, nearly all of it the program's.
MEGABYTES_A_TRAINING = 1500
TRAINING_BYTES_A_PATIENT = 1000
BYTES_A_SCORE = 4  # float32, which hardly packs

Z95 = 1.959964


@dataclass(frozen=True)
class CheckSettings:
    """What a run would do with the delivery, and how much of it is looked at.

    Attributes:
        diagnoses: the tables whose codes count as diagnoses; None for the usual one.
        rules: the cohort's.
        options: how text is read, by table; none for the usual way.
        maximum_refused: greatest share of a part's rows that may be refused.
        shards: number of shards.
        threshold: the smallest count of patients or rows to show.
        sample_bytes: text read of a file, about; of the tables WHOLE all is read, and of those
            that the run does not read a sixteenth of this.
        lists: folder of the code lists; None: how many codes they map is not looked at.
        files: patterns of the names of tables' files, as in config's delivery.files.
        predictions: how often a patient of the cohort is scored on average, at most: the share
            held out, times the models and the tasks.
        database: which of CPRD's databases is delivered.
        merged: the list of merged practices (CPRD Aurum), or None.
        snomed: the list of SNOMED CT concepts (CPRD Aurum), or None.
    """

    diagnoses: Sequence[str] | None
    rules: cohort.CohortRules
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

    @property
    def source_tables(self) -> list[str]:
        """The tables that the run reads."""
        return self.database.needed(self.diagnoses)

    def layout(self, source_table: str) -> SourceTable:
        """Return a table as the run reads it."""
        unread = self.database.unread(source_table, self.diagnoses)
        return self.database.source_tables[source_table].without(unread)

    @property
    def coded(self) -> list[str]:
        """Those of them whose rows carry the codes of diagnoses."""
        return self.database.diagnoses(self.diagnoses)[0]

    @property
    def pointing(self) -> list[str]:
        """Those of them that point at the rows that are diagnoses."""
        return self.database.diagnoses(self.diagnoses)[1]


@dataclass
class Sample:
    """What was read of one part.

    Attributes:
        part: which.
        name: the file, below the delivery's folder.
        header: column names, lower case.
        text_bytes: length of the whole text.
        read_bytes: of which were read.
        fingerprint: hash of what was read, to tell parts apart.
        rows: the extracted rows; None if there are none.
        manifest: extract's.
        runs: for the tables whose rows are visits or diagnoses in general practice.
    """

    part: DeliveredPart
    name: str
    header: list[str] = field(default_factory=list)
    text_bytes: int = 0
    read_bytes: int = 0
    fingerprint: str = ""
    rows: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    runs: "Runs | None" = None

    @property
    def whole(self) -> bool:
        return self.read_bytes >= self.text_bytes

    @property
    def all_rows(self) -> float:
        """Rows of the file: counted, or by the length of those that were read."""
        return float(self.manifest["rows_read"]) * self.text_bytes / max(self.read_bytes, 1)


@dataclass(frozen=True)
class Runs:
    """The patients whose records lie together in what was read of a file, none cut off.

    Attributes:
        patients: their ids, Int64.
        rows: how many rows each has.
        grouped: whether the file's records lie together patient by patient.
    """

    patients: np.ndarray
    rows: np.ndarray
    grouped: bool

    @classmethod
    def of(cls, patients: np.ndarray, whole: bool) -> "Runs":
        """Find the runs in a column of ids; the last is cut off unless the file was read whole."""
        if not patients.size:
            return cls(patients, np.zeros(0, dtype=np.int64), grouped=True)
        starts = np.flatnonzero(np.r_[True, patients[1:] != patients[:-1]])
        lengths = np.diff(np.r_[starts, patients.size])
        ids, counts = np.unique(patients[starts], return_counts=True)
        alone = np.isin(patients[starts], ids[counts == 1])
        if not whole:
            alone[-1] = False
        return cls(patients[starts][alone], lengths[alone], bool((counts == 1).mean() >= 0.95))


def check(folder: Path, settings: CheckSettings, work: Path) -> dict[str, Any]:
    """Look at a delivery.

    Args:
        folder: the delivery.
        settings: what a run would do with it.
        work: an empty folder for what is read; the caller deletes it.

    Returns:
        The report, as `behrt.cprd.check_report` prints it: `errors` would stop a run, `warnings`
        are to be looked at, and `ready` says that there is no error.

    Raises:
        InputError: no such folder.
    """
    found = survey(folder, settings.files, settings.database.name)
    problems, parts = found.problems, found.parts
    names = {part: part.path.relative_to(folder).as_posix() for part in parts}
    samples = []
    largest = sum(min(part.path.stat().st_size, settings.sample_bytes) for part in parts)
    with logs.progress(total=largest, label="Look at the delivery", unit="B") as bar:
        for part in parts:
            try:
                samples.append(_sample(part, names[part], settings, work))
            except InputError as error:
                problems.append(error)
            bar.update(min(part.path.stat().st_size, settings.sample_bytes))
    by_table: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_table[sample.part.source_table].append(sample)
    present = {part.source_table for part in parts}
    missing = [
        {
            "table": source_table,
            "file": file_pattern(source_table, settings.database.name),
            "means": MEANING.get(source_table, "it is needed"),
        }
        for source_table in settings.source_tables
        if source_table not in present
    ]
    mapping = _mapping(by_table, settings, work, problems)
    selected = _cohort(by_table, settings, mapping, problems)
    report = {
        "tables": {
            source_table: _table(by_table[source_table], settings)
            for source_table in sorted(by_table)
        },
        "missing": missing,
        "missing_parts": _gaps(parts),
        "not_recognised": {"files": len(found.others), "first": found.others[:10]},
        "passed_over": {"files": len(found.passed_over), "first": found.passed_over[:10]},
        "duplicated": _duplicated(samples),
        "without_patient_row": _without_patient_row(by_table, settings),
        "codes": _codes(by_table, settings, mapping),
        "cohort": selected,
        "needs": _needs(by_table, settings, selected, mapping),
        "sample": {
            "megabytes_a_file": settings.sample_bytes / 1e6,
            "tables_read_whole": [
                source_table
                for source_table in WHOLE
                if source_table in settings.database.source_tables
            ],
        },
    }
    errors = [str(problem) for problem in problems]
    errors += [f"{entry['table']}: no file {entry['file']}; {entry['means']}" for entry in missing]
    warnings = _warnings(report)
    if not settings.database.practice_in_patid and settings.merged is None:
        warnings.append(
            "no list of merged practices (config, aurum.merged_practices): patients of a practice "
            "that was merged into another may be there twice"
        )
    return {**report, "errors": errors, "warnings": warnings, "ready": not errors}


def _sample(part: DeliveredPart, name: str, settings: CheckSettings, work: Path) -> Sample:
    sample = Sample(part, name)
    limit: int | None = settings.sample_bytes
    if part.source_table in WHOLE:
        limit = None
    elif part.source_table not in settings.source_tables:
        limit = settings.sample_bytes // UNUSED
    text = work / "text" / part.path.with_suffix(".txt").name
    text.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    records = part.source_table in (*settings.database.records, *settings.coded)
    with open_text(part.path, part.member) as stream, text.open("wb") as copy:
        sample.text_bytes = stream.size
        line = stream.line()
        sample.header = [
            column.strip().lower() for column in line.decode("utf-8-sig", "replace").split("\t")
        ]
        copy.write(line)
        digest.update(line)
        while block := stream.read(2**22 if limit is None else min(2**22, limit)):
            block += stream.line()
            copy.write(block)
            digest.update(block)
            sample.read_bytes += len(block)
            if limit is not None and sample.read_bytes >= limit:
                break
    sample.read_bytes += len(line)
    sample.fingerprint = digest.hexdigest()
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
        if records:
            sample.runs = _runs(text, sample)
    finally:
        text.unlink()
    return sample


def _runs(text: Path, sample: Sample) -> Runs:
    header = [name.removeprefix("e_") for name in sample.header]
    with text.open("rb") as stream:
        stream.readline()
        body = stream.read()
    ids = split_columns(body if body.endswith(b"\n") else body + b"\n", header, ["patid"]).columns
    patients = ids["patid"].cast(DTYPES["id"], strict=False).drop_nulls().to_numpy()
    return Runs.of(patients, sample.whole)


def _table(samples: Sequence[Sample], settings: CheckSettings) -> dict[str, Any]:
    read = sum(sample.manifest["rows_read"] for sample in samples)
    refused: dict[str, int] = defaultdict(int)
    formats: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    layouts: dict[tuple[str, ...], int] = defaultdict(int)
    for sample in samples:
        layouts[tuple(sample.header)] += 1
        for reason, count in sample.manifest["rows_refused"].items():
            refused[reason] += count
        for column, label in sample.manifest["formats"].items():
            formats[sample.manifest["columns"].get(column, column)][label] += 1
    whole = all(sample.whole for sample in samples)
    return {
        "parts": len(samples),
        "file_bytes": sum(sample.part.path.stat().st_size for sample in samples),
        "text_bytes": sum(sample.text_bytes for sample in samples),
        "rows": _shown(sum(sample.all_rows for sample in samples), settings.threshold),
        "rows_are": "counted" if whole else "estimated",
        "refused_share": {
            reason: _share(count, read, settings.threshold)
            for reason, count in sorted(refused.items())
        },
        "formats": {column: dict(labels) for column, labels in sorted(formats.items())},
        "layouts": [
            {"parts": count, "columns": list(header)} for header, count in sorted(layouts.items())
        ],
        "unknown_columns": sorted(
            {name for sample in samples for name in sample.manifest["unknown_columns"]}
        ),
        "empty_parts": [sample.name for sample in samples if not sample.manifest["rows_read"]],
    }


def _gaps(parts: Iterable[DeliveredPart]) -> dict[str, list[str]]:
    """Return, by table, the numbers below the highest that no part has."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for part in parts:
        numbers[part.source_table].add(int(part.part))
    gaps = {
        source_table: [f"{number:03d}" for number in range(1, max(found)) if number not in found]
        for source_table, found in sorted(numbers.items())
    }
    return {source_table: missing for source_table, missing in gaps.items() if missing}


def _duplicated(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """Find parts of one table with the same length and the same text, as far as it was read."""
    same: dict[tuple[str, int, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.manifest["rows_read"]:
            same[sample.part.source_table, sample.text_bytes, sample.fingerprint].append(sample)
    return [
        {
            "files": [sample.name for sample in group],
            "compared": "whole" if all(sample.whole for sample in group) else "length and start",
        }
        for group in same.values()
        if len(group) > 1
    ]


def _without_patient_row(
    by_table: Mapping[str, Sequence[Sample]], settings: CheckSettings
) -> list[dict[str, Any]]:
    """Find the parts with patients whom no part of Patient has; shares of the patients read."""
    patients = [sample.rows for sample in by_table.get("patient", ()) if sample.rows]
    if not patients:
        return []
    known = pl.scan_parquet(patients).select("patid").unique().collect()
    found = []
    for source_table, samples in sorted(by_table.items()):
        types = settings.database.source_tables[source_table].types
        if source_table in ("patient", *OF_THE_BUILD) or "patid" not in types:
            continue
        for sample in samples:
            if sample.rows is None:
                continue
            ids = pl.scan_parquet(sample.rows).select("patid").unique().collect()
            unknown = ids.join(known, on="patid", how="anti").height
            if unknown:
                small = unknown < settings.threshold or ids.height < settings.threshold
                share = None if small else round(unknown / ids.height, 3)
                found.append({"file": sample.name, "table": source_table, "share": share})
    return found


def _mapping(
    by_table: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    work: Path,
    problems: list[InputError],
) -> Path | None:
    """Read the code lists into the work folder; return where they are."""
    if settings.lists is None:
        return None
    try:
        read = read_lists(settings.lists)
        medcodes: pl.DataFrame = read.medcodes
        if settings.database.look_ups:
            dictionary = _paths(by_table, settings.database.look_ups)
            if not dictionary:
                return None
            snomed = None
            if settings.snomed is not None:
                snomed, _ = read_snomed(settings.snomed, read.phenotypes)
            medcodes, _ = map_medcodes(scan(dictionary).collect(), read.read, snomed)
    except InputError as error:
        problems.append(error)
        return None
    write_parquet(medcodes, work / "lists" / "medcodes.parquet")
    write_parquet(read.icd, work / "lists" / "icd.parquet")
    return work / "lists"


def _paths(by_table: Mapping[str, Sequence[Sample]], source_tables: Iterable[str]) -> list[Path]:
    return [
        sample.rows
        for source_table in source_tables
        for sample in by_table.get(source_table, ())
        if sample.rows
    ]


def _codes(
    by_table: Mapping[str, Sequence[Sample]], settings: CheckSettings, lists: Path | None
) -> dict[str, Any]:
    """Count, by system, which share of the rows read and of their codes the lists map."""
    practice = _paths(by_table, settings.coded)
    pointers = _paths(by_table, settings.pointing)
    hospital = _paths(by_table, ["hes_diagnosis_hosp"])
    if lists is None or not practice + hospital:
        return {}
    mapping = read_mapping(lists / "medcodes.parquet", lists / "icd.parquet")
    known = mapping.select("system", "code").unique().with_columns(mapped=True)
    counted = pl.concat(
        [
            scan_diagnoses(practice, hospital, shard, pointers)
            .group_by("system", "code")
            .agg(rows=pl.len())
            .collect(engine="streaming")
            for shard in range(settings.shards)
        ]
    )
    by_code = (
        counted.group_by("system", "code")
        .agg(pl.col("rows").sum())
        .join(known, on=["system", "code"], how="left")
        .with_columns(pl.col("mapped").fill_null(value=False))
    )
    report = {}
    for (system,), codes in sorted(by_code.group_by("system")):
        coded = codes.drop_nulls("code")
        rows = int(codes["rows"].sum())
        with_code = int(coded["rows"].sum())
        mapped = coded.filter("mapped")
        report[str(system)] = {
            "rows_read": _shown(rows, settings.threshold),
            "rows_with_a_code": _share(with_code, rows, settings.threshold),
            "rows_mapped": _share(int(mapped["rows"].sum()), with_code, settings.threshold),
            "codes_seen": _shown(coded.height, settings.threshold),
            "codes_mapped": _share(mapped.height, coded.height, settings.threshold),
        }
    return report


def _cohort(
    by_table: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    lists: Path | None,
    problems: list[InputError],
) -> dict[str, Any]:
    """Select the cohort from what was read, and estimate the whole one."""
    by_diagnosis = settings.rules.visits == "diagnosis"
    records = settings.coded if by_diagnosis else list(settings.database.records)
    admissions = "hes_diagnosis_hosp" if by_diagnosis else "hes_hospital"
    needed = ["patient", "practice", "linkage_eligibility", "death_patient", admissions, *records]
    lacking = [source_table for source_table in needed if not _paths(by_table, [source_table])]
    if by_diagnosis and lists is None:
        lacking.append("the code lists")
    if lacking:
        return {"expected": None, "why": f"not estimated without {', '.join(lacking)}"}
    sources = cohort.CohortSources(
        patient=_paths(by_table, ["patient"]),
        practice=_paths(by_table, ["practice"]),
        eligibility=_paths(by_table, ["linkage_eligibility"]),
        coverage=_paths(by_table, ["linkage_coverage"]),
        deaths=_paths(by_table, ["death_patient"]),
        visits=_paths(by_table, settings.database.records),
        admissions=_paths(by_table, ["hes_hospital"]),
        diagnoses=_paths(by_table, settings.coded),
        hospital=_paths(by_table, ["hes_diagnosis_hosp"]),
        medcodes=lists and lists / "medcodes.parquet",
        icd=lists and lists / "icd.parquet",
        pointers=_paths(by_table, settings.pointing),
        merged=settings.merged,
        database=settings.database,
    )
    flows, members = [], []
    try:
        for shard in range(settings.shards):
            selected, flow = cohort.select_cohort(sources, shard, settings.rules)
            flows.append(flow)
            members.append(selected["subject_id"])
    except InputError as error:
        problems.append(error)
        return {"expected": None, "why": "not estimated, see the errors"}
    total = pl.concat(flows).group_by("step", "name").agg(pl.col("patients").sum()).sort("step")
    in_cohort = pl.concat(members).to_numpy()
    lowest, highest = total["patients"][-1], total["patients"][-2]
    used = [sample for source_table in [*records, admissions] for sample in by_table[source_table]]
    counted = all(sample.whole for sample in used)
    steps = total if counted else total.head(-1)
    hidden = hide_steps(steps["patients"].to_numpy(), settings.threshold)
    report: dict[str, Any] = {
        "steps": [
            {"step": name, "patients": None if hide else count}
            for name, count, hide in zip(steps["name"], steps["patients"], hidden, strict=True)
        ],
        "last_step": total["name"][-1],
        "counted": counted,
    }
    if counted:
        shown = None if hidden[-1] else lowest
        return {
            **report,
            "expected": shown,
            "interval": None,
            "why": "every record that can be read was",
        }
    guesses = [
        _estimate([sample for sample in by_table[source_table] if sample.runs], in_cohort)
        for source_table in records
    ]
    known = [guess for guess in guesses if guess is not None]
    bounds = {
        "at_least": _rounded(lowest, settings.threshold, math.floor),
        "at_most": _rounded(highest, settings.threshold, math.ceil),
    }
    if not known:
        why = "a sample cannot tell, as the records of a patient do not lie together"
        return {**report, **bounds, "expected": None, "interval": None, "why": why}
    expected, deviation = max(known)
    low, high = (
        min(max(value, lowest), highest)
        for value in (expected - Z95 * deviation, expected + Z95 * deviation)
    )
    return {
        **report,
        **bounds,
        "expected": _rounded(min(max(expected, lowest), highest), settings.threshold),
        "interval": [
            _rounded(low, settings.threshold, math.floor),
            _rounded(high, settings.threshold, math.ceil),
        ],
        "why": "from the patients whose records lie together at the start of each file",
    }


def _estimate(samples: Sequence[Sample], in_cohort: np.ndarray) -> tuple[float, float] | None:
    """Estimate the cohort's patients in a table's parts: number, standard error.

    Within a part: members of the cohort a row among the patients read, times the part's rows (a
    ratio estimator, with the linearised variance; Cochran, Sampling Techniques, 1977, chapter 6).
    Parts are strata. None if a part's records do not lie together patient by patient, or too few
    patients were read.
    """
    total = variance = 0.0
    for sample in samples:
        runs = sample.runs
        assert runs is not None
        if not runs.grouped:
            return None
        if not sample.manifest["rows_read"]:
            continue
        read = runs.patients.size
        if read < 2 and not sample.whole:
            return None
        members = np.isin(runs.patients, in_cohort).astype(float)
        ratio = members.sum() / max(runs.rows.sum(), 1)
        rows = sample.all_rows
        total += ratio * rows
        if not sample.whole:
            residual = members - ratio * runs.rows
            unread = 1 - runs.rows.sum() / rows
            variance += (rows / runs.rows.mean()) ** 2 * unread * residual.var(ddof=1) / read
    return total, math.sqrt(variance)


def _needs(
    by_table: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    selected: Mapping[str, Any],
    mapping: Path | None,
) -> dict[str, Any]:
    """Estimate the disk and memory of a full run."""
    patients = selected.get("expected") or selected.get("at_most") or 0
    diseases = (
        read_mapping(mapping / "medcodes.parquet", mapping / "icd.parquet")["phenotype"].n_unique()
        if mapping
        else 0
    )
    scores = patients * settings.predictions * diseases * BYTES_A_SCORE
    extracted = rows = 0.0
    for source_table in settings.source_tables:
        for sample in by_table.get(source_table, ()):
            if sample.rows:
                factor = sample.text_bytes / max(sample.read_bytes, 1)
                extracted += sample.rows.stat().st_size * factor
                if "patid" in settings.database.source_tables[source_table].types:
                    rows += sample.all_rows
    shard_rows = rows / settings.shards
    memory = MEGABYTES_A_PROCESS * 1e6 + shard_rows * BYTES_A_ROW
    return {
        "disk_bytes": _significant(extracted * (1 + LATER_STAGES) + scores),
        "disk_basis": (
            "extracted tables as large, for their text, as those of the sample; half as much again "
            "for the stages after them, as in simulated runs; at most "
            f"{_significant(scores) / 1e6:,g} MB for the predictions, {BYTES_A_SCORE} bytes a "
            "score; the delivery itself comes on top"
        ),
        "memory_bytes_a_job": _significant(memory),
        "memory_basis": (
            f"{MEGABYTES_A_PROCESS} MB, and {BYTES_A_ROW} bytes for each of a shard's rows of the "
            "tables that the run reads, as measured in simulated runs; times the jobs at once"
        ),
        "memory_bytes_a_training": _significant(
            MEGABYTES_A_TRAINING * 1e6 + patients * TRAINING_BYTES_A_PATIENT
        ),
        "rows_a_shard": _significant(shard_rows),
        "shards": settings.shards,
        "shards_for_4_GB_a_job": max(1, math.ceil(rows * BYTES_A_ROW / 3.7e9)),
    }


def _warnings(report: Mapping[str, Any]) -> list[str]:
    warnings: list[str] = []
    passed = report["passed_over"]
    if passed["files"]:
        more = ", …" if passed["files"] > len(passed["first"]) else ""
        warnings.append(
            f"{passed['files']} files with a source table's name are not read, because they name "
            "CPRD's other database or delivery.files names others: "
            f"{', '.join(passed['first'])}{more}"
        )
    warnings += [
        f"{source_table}: no part {', '.join(numbers[:10])}, though later ones are there"
        for source_table, numbers in report["missing_parts"].items()
    ]
    warnings += [
        f"the same file twice ({group['compared']} alike): {', '.join(group['files'])}"
        for group in report["duplicated"]
    ]
    for source_table, entry in report["tables"].items():
        warnings += [f"{name}: no row" for name in entry["empty_parts"]]
        for column, labels in entry["formats"].items():
            if len(labels) > 1:
                found = ", ".join(f"{label} in {parts}" for label, parts in sorted(labels.items()))
                warnings.append(
                    f"{source_table}: {column} is written differently among parts ({found})"
                )
        if len(entry["layouts"]) > 1:
            warnings.append(
                f"{source_table}: {len(entry['layouts'])} different header lines among parts"
            )
    orphans: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in report["without_patient_row"]:
        orphans[entry["table"]].append(entry)
    for source_table, entries in sorted(orphans.items()):
        worst = max(entries, key=lambda entry: entry["share"] or 0.0)
        share = f"{worst['share']:.1%}" if worst["share"] else "a few"
        warnings.append(
            f"{source_table}: {len(entries)} parts have patients without a Patient row, "
            f"at worst {share} of them in {worst['file']}; is a part of Patient missing"
        )
    for system, entry in report["codes"].items():
        if entry["rows_mapped"] == 0.0:
            warnings.append(f"{system}: no code is mapped; do the code lists fit the delivery")
    if "expected" in report["cohort"] and report["cohort"].get("at_most") == 0:
        warnings.append("nobody is left before visits are counted; see the steps")
    return warnings


def _significant(value: float, digits: int = 2, to: Callable[[float], float] = round) -> int:
    if value <= 0:
        return 0
    unit = 10 ** max(math.floor(math.log10(value)) - digits + 1, 0)
    return int(to(value / unit) * unit)


def _rounded(value: float, threshold: int, to: Callable[[float], float] = round) -> int | None:
    """Return a number of patients in tens, and with two digits at most; None for a small one."""
    if 0 < value < threshold:
        return None
    return _significant(int(to(value / 10)) * 10, 2, to)


def _shown(value: float, threshold: int) -> int | None:
    """Return a number of rows or codes with three significant digits, or None for a small one."""
    return None if 0 < value < threshold else _significant(value, 3)


def _share(part: int, whole: int, threshold: int) -> float | None:
    """Return a share, or None where it would tell a small count."""
    if 0 < part < threshold or 0 < whole - part < threshold or not whole:
        return None
    return round(part / whole, 3)
