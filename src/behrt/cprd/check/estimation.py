"""The cohort, the disk and the memory of a full run, estimated from the samples of a delivery."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from behrt.cprd import cohort
from behrt.cprd.check import rounding
from behrt.cprd.check.sampling import CheckSettings, Sample, rows_of
from behrt.cprd.diagnoses import read_mapping
from behrt.disclosure import hide_steps
from behrt.errors import InputError
from behrt.files import write_parquet

# Measured on simulated deliveries of 40,000 patients: memory of the stages from cohort to
# sequences beyond that of an empty process, and what they write in addition to extracted rows.
BYTES_A_ROW = 150
MEGABYTES_A_PROCESS = 300
LATER_STAGES = 0.5
# Training held 1.5 GB for a cohort of 65,000 simulated patients, nearly all of it the program's.
MEGABYTES_A_TRAINING = 1500
TRAINING_BYTES_A_PATIENT = 1000
BYTES_A_SCORE = 4  # float32, which can hardly be compressed
_SMALL_JOB = 3.7e9
"""Bytes of rows in a job of less than 4 GB."""

_Z95 = 1.959964


def estimate_cohort(
    samples: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    lists: Path | None,
    work: Path,
    problems: list[InputError],
) -> dict[str, Any]:
    """Select the cohort from what was read, and estimate the whole one.

    Args:
        samples: by source table.
        settings: of the check.
        lists: folder with medcodes.parquet and icd.parquet, or None.
        work: the folder for what is read.
        problems: receives what would stop the run, among it a cohort without patients.

    Returns:
        steps (step, patients), expected, interval, at_least, at_most: numbers of patients; None
        where small or unknown. why: how the number was found, or why it was not.
    """
    by_diagnosis = settings.rules.visits == "diagnosis"
    records = settings.coded if by_diagnosis else list(settings.database.records)
    admissions = "hes_hospital"
    if by_diagnosis or admissions in settings.without:
        admissions = "hes_diagnosis_hosp"
    relevant = {"patient", "practice", "linkage_eligibility", "death_patient", admissions, *records}
    lacking = [
        name for name in settings.source_tables if name in relevant and not rows_of(samples, [name])
    ]
    if by_diagnosis and lists is None:
        lacking.append("the code lists")
    if lacking:
        return {"expected": None, "why": f"not estimated without {', '.join(lacking)}"}
    flows, members = [], []
    try:
        for shard in range(settings.shards):
            selected, flow = cohort.select_cohort(
                _sources(samples, settings, lists), shard, settings.rules
            )
            flows.append(work / "flows" / f"{shard}.parquet")
            write_parquet(flow, flows[-1])
            members.append(selected["subject_id"])
    except InputError as error:
        problems.append(error)
        return {"expected": None, "why": "not estimated, see the errors"}
    used = [
        sample
        for name in {*records, admissions} & set(settings.source_tables)
        for sample in samples.get(name, ())
    ]
    counted = all(sample.whole for sample in used)
    total = pl.scan_parquet(flows).group_by("step", "name").agg(pl.col("patients").sum())
    steps = total.sort("step").collect()
    lowest, highest = steps["patients"][-1], steps["patients"][-2]
    try:
        if counted or not highest:
            cohort.add_flows(flows)
    except InputError as error:
        problems.append(error)
    shown = steps if counted else steps.head(-1)
    hidden = hide_steps(shown["patients"].to_numpy(), settings.threshold)
    report: dict[str, Any] = {
        "steps": [
            {"step": name, "patients": None if hide else count}
            for name, count, hide in zip(shown["name"], shown["patients"], hidden, strict=True)
        ],
        "last_step": steps["name"][-1],
        "counted": counted,
    }
    if counted:
        return {
            **report,
            "expected": None if hidden[-1] else lowest,
            "interval": None,
            "why": "every record that can be read was",
        }
    tables = [[sample for sample in samples[name] if sample.runs] for name in records]
    guesses = [_estimate(table, pl.concat(members).to_numpy()) for table in tables]
    known = [guess for guess in guesses if guess is not None]
    if highest and known and not max(known)[0]:
        problems.append(
            InputError(
                "cohort",
                f"no patient of the sample passes the step {steps['name'][-1]!r}",
                "Check the dates of the records, and `cohort` in the configuration",
            )
        )
    return {**report, **_estimated(known, lowest, highest, settings.threshold)}


def _sources(
    samples: Mapping[str, Sequence[Sample]], settings: CheckSettings, lists: Path | None
) -> cohort.CohortSources:
    read = {
        name: rows_of(samples, [name]) if name in settings.source_tables else []
        for name in (
            "patient",
            "practice",
            "linkage_eligibility",
            "linkage_coverage",
            "death_patient",
            "hes_hospital",
            "hes_diagnosis_hosp",
        )
    }
    return cohort.CohortSources(
        patient=read["patient"],
        practice=read["practice"],
        eligibility=read["linkage_eligibility"],
        coverage=read["linkage_coverage"],
        deaths=read["death_patient"],
        visits=rows_of(samples, settings.database.records),
        admissions=read["hes_hospital"],
        diagnoses=rows_of(samples, settings.coded),
        hospital=read["hes_diagnosis_hosp"],
        medcodes=lists and lists / "medcodes.parquet",
        icd=lists and lists / "icd.parquet",
        pointers=rows_of(samples, settings.pointing),
        merged=settings.merged,
        database=settings.database,
        without=settings.without,
    )


def _estimated(
    guesses: Sequence[tuple[float, float]], lowest: int, highest: int, threshold: int
) -> dict[str, Any]:
    """Return the expected number of patients and its bounds, from the estimates of each table."""
    bounds = {
        "at_least": rounding.patients(lowest, threshold, math.floor),
        "at_most": rounding.patients(highest, threshold, math.ceil),
    }
    if not guesses:
        why = "a sample is not enough, because the records of a patient are not contiguous"
        return {**bounds, "expected": None, "interval": None, "why": why}
    expected, deviation = max(guesses)
    low, high = (
        min(max(value, lowest), highest)
        for value in (expected - _Z95 * deviation, expected + _Z95 * deviation)
    )
    return {
        **bounds,
        "expected": rounding.patients(min(max(expected, lowest), highest), threshold),
        "interval": [
            rounding.patients(low, threshold, math.floor),
            rounding.patients(high, threshold, math.ceil),
        ],
        "why": "from the patients whose records are contiguous at the start of each file",
    }


def _estimate(samples: Sequence[Sample], in_cohort: np.ndarray) -> tuple[float, float] | None:
    """Estimate the cohort's patients in a source table's parts: number, standard error.

    Within a part: members of the cohort per row among the patients read, times the part's rows (a
    ratio estimator, with the linearised variance; Cochran, Sampling Techniques, 1977, chapter 6).
    Parts are strata. None if a part's records are not contiguous by patient, or too few
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


def estimate_needs(
    samples: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    selected: Mapping[str, Any],
    lists: Path | None,
) -> dict[str, Any]:
    """Estimate the disk and the memory of a full run, in bytes.

    Args:
        samples: by source table.
        settings: of the check.
        selected: the cohort, as `estimate_cohort` returns it.
        lists: folder with medcodes.parquet and icd.parquet, or None.
    """
    patients = selected.get("expected") or selected.get("at_most") or 0
    diseases = 0
    if lists:
        mapping = read_mapping(lists / "medcodes.parquet", lists / "icd.parquet")
        diseases = mapping["phenotype"].n_unique()
    scores = patients * settings.predictions * diseases * BYTES_A_SCORE
    extracted = rows = 0.0
    for source_table in settings.source_tables:
        for sample in samples.get(source_table, ()):
            if sample.rows:
                factor = sample.text_bytes / max(sample.read_bytes, 1)
                extracted += sample.rows.stat().st_size * factor
                if "patid" in settings.database.source_tables[source_table].types:
                    rows += sample.all_rows
    shard_rows = rows / settings.shards
    memory = MEGABYTES_A_PROCESS * 1e6 + shard_rows * BYTES_A_ROW
    training = MEGABYTES_A_TRAINING * 1e6 + patients * TRAINING_BYTES_A_PATIENT
    return {
        "disk_bytes": rounding.significant(extracted * (1 + LATER_STAGES) + scores),
        "disk_basis": (
            "extracted rows at the size per byte of text of the sample; half as much again for "
            "the stages after them, as in simulated runs; at most "
            f"{rounding.significant(scores) / 1e6:,g} MB for the predictions, {BYTES_A_SCORE} "
            "bytes per score; the delivery itself is not included"
        ),
        "memory_bytes_a_job": rounding.significant(memory),
        "memory_basis": (
            f"{MEGABYTES_A_PROCESS} MB, and {BYTES_A_ROW} bytes for each of a shard's rows of the "
            "source tables that the run reads, as measured in simulated runs; times the number of "
            "jobs at once"
        ),
        "memory_bytes_a_training": rounding.significant(training),
        "rows_a_shard": rounding.significant(shard_rows),
        "shards": settings.shards,
        "shards_for_4_GB_a_job": max(1, math.ceil(rows * BYTES_A_ROW / _SMALL_JOB)),
    }
