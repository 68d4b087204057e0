"""The report of a delivery's check: everything that was found, and whether a run can start."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt import logs
from behrt.caliber.lists import read_lists
from behrt.caliber.snomed import read_snomed
from behrt.cprd.check import rounding
from behrt.cprd.check.concepts import look_at_concepts
from behrt.cprd.check.estimation import estimate_cohort, estimate_needs
from behrt.cprd.check.sampling import WHOLE, CheckSettings, Sample, read_sample, rows_of
from behrt.cprd.delivery import DeliveredPart, survey
from behrt.cprd.diagnoses import read_mapping, scan_diagnoses
from behrt.cprd.file_names import file_pattern
from behrt.cprd.medical_dictionary import map_medcodes
from behrt.cprd.shards import scan
from behrt.diagnosis_outcomes import require_mapped
from behrt.errors import InputError
from behrt.files import write_parquet

_OF_THE_BUILD = ("linkage_eligibility",)
"""Source tables with the patients of the whole build, of whom a delivery holds a selection."""

_MEANING = {
    "patient": "no patient can be selected",
    "practice": "there is no follow-up, which depends on the practice's own dates",
    "consultation": "visits without another record do not count, and the cohort is smaller",
    "clinical": "there are no diagnoses from general practice",
    "observation": "there are no diagnoses from general practice",
    "problem": "it is not known which observations are problems",
    "emismedicaldictionary": "no code of general practice can be mapped to a disease",
    "referral": "diagnoses that are only in a referral are missing",
    "test": "tests, and diagnoses that are only in a test, are missing",
    "therapy": "there are no prescriptions; to do without them, remove medications from inputs",
    "drugissue": "there are no prescriptions; to do without them, remove medications from inputs",
    "additional": "there are no measurements; to do without them, remove measurements from inputs",
    "hes_procedures_epi": "there are no procedures; to do without them, remove procedures from "
    "inputs",
    "linkage_eligibility": "it is not known who can be linked to HES, so no patient is selected",
    "linkage_coverage": "HES's first and last day must be set, as cohort.hes_start and hes_end",
    "hes_hospital": "admissions without a diagnosis are not visits; to do without them, add "
    "hes_hospital to delivery.without",
    "hes_diagnosis_hosp": "there are no diagnoses from hospital; to do without them, add "
    "hes_diagnosis_hosp to delivery.without",
    "death_patient": "deaths are those of general practice; to do without ONS's, add "
    "death_patient to delivery.without",
}
_FEW_SHOWN = 10


def check(folder: Path, settings: CheckSettings, work: Path) -> dict[str, Any]:
    """Check a delivery.

    Args:
        folder: of the delivery.
        settings: what a run would do with it.
        work: an empty folder for what is read; the caller deletes it.

    Returns:
        The report that `behrt.cprd.check.text` prints. `errors` would stop a run, `warnings`
        need attention, and `ready` is true if there is no error.

    Raises:
        InputError: there is no such folder.
    """
    found = survey(folder, settings.files, settings.database.name)
    problems = list(found.problems)
    samples = _read_samples(found.parts, folder, settings, work, problems)
    present = {part.source_table for part in found.parts}
    missing = [
        {
            "table": source_table,
            "file": file_pattern(source_table, settings.database.name),
            "means": _MEANING.get(source_table, "it is needed"),
        }
        for source_table in settings.source_tables
        if source_table not in present
    ]
    lists, useless = _lists(samples, settings, work, problems)
    codes = _codes(samples, settings, lists, problems)
    concepts, look_ups = look_at_concepts(samples, folder, settings, problems)
    selected = estimate_cohort(samples, settings, lists, work, problems)
    report = {
        "tables": {name: _source_table(samples[name], settings) for name in sorted(samples)},
        "missing": missing,
        "missing_parts": _gaps(found.parts),
        "not_recognised": _first([name for name in found.others if name not in look_ups]),
        "passed_over": _first(found.passed_over),
        "duplicated": _duplicated([sample for group in samples.values() for sample in group]),
        "without_patient_row": _without_patient_row(samples, settings),
        "codes": codes,
        "concepts": concepts,
        "cohort": selected,
        "needs": estimate_needs(samples, settings, selected, lists),
        "sample": {
            "megabytes_a_file": settings.sample_bytes / 1e6,
            "tables_read_whole": [
                name for name in WHOLE if name in settings.database.source_tables
            ],
        },
    }
    errors = [str(problem) for problem in problems]
    errors += [f"{entry['table']}: no file {entry['file']}; {entry['means']}" for entry in missing]
    warnings = list(_warnings(report))
    if useless:
        warnings.append(
            f"{len(useless)} phenotypes have a CPRD list, and no code of it is of "
            f"{settings.database.title}: {', '.join(useless[:_FEW_SHOWN])}"
            f"{', …' if len(useless) > _FEW_SHOWN else ''}"
        )
    if not settings.database.practice_in_patid and settings.merged is None:
        warnings.append(
            "no list of merged practices (config, aurum.merged_practices): a patient of a practice "
            "that was merged into another can be in the delivery twice"
        )
    return {**report, "errors": errors, "warnings": warnings, "ready": not errors}


def _read_samples(
    parts: Sequence[DeliveredPart],
    folder: Path,
    settings: CheckSettings,
    work: Path,
    problems: list[InputError],
) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = defaultdict(list)
    sizes = [min(part.path.stat().st_size, settings.sample_bytes) for part in parts]
    with logs.progress(total=sum(sizes), label="Check the delivery", unit="B") as bar:
        for part, size in zip(parts, sizes, strict=True):
            name = part.path.relative_to(folder).as_posix()
            try:
                samples[part.source_table].append(read_sample(part, name, settings, work))
            except InputError as error:
                if part.source_table in settings.without:
                    logs.logger.warning("%s", error)
                else:
                    problems.append(error)
            bar.update(size)
    return {name: group for name, group in samples.items() if group}


def _first(names: Sequence[str]) -> dict[str, Any]:
    return {"files": len(names), "first": list(names[:_FEW_SHOWN])}


def _source_table(samples: Sequence[Sample], settings: CheckSettings) -> dict[str, Any]:
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
        "rows": rounding.rows(sum(sample.all_rows for sample in samples), settings.threshold),
        "rows_are": "counted" if whole else "estimated",
        "refused_share": {
            reason: rounding.share(count, read, settings.threshold)
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
    """Return, by source table, the numbers below the highest that no part has."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for part in parts:
        numbers[part.source_table].add(int(part.part))
    gaps = {
        source_table: [f"{number:03d}" for number in range(1, max(found)) if number not in found]
        for source_table, found in sorted(numbers.items())
    }
    return {source_table: missing for source_table, missing in gaps.items() if missing}


def _duplicated(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """Find parts of one source table with the same length and text, as far as it was read."""
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
    samples: Mapping[str, Sequence[Sample]], settings: CheckSettings
) -> list[dict[str, Any]]:
    """Find the parts with patients that no part of patient has; shares of the patients read."""
    patients = rows_of(samples, ["patient"])
    if not patients:
        return []
    known = pl.scan_parquet(patients).select("patid").unique().collect()
    found = []
    for source_table, group in sorted(samples.items()):
        types = settings.database.source_tables[source_table].types
        if source_table in ("patient", *_OF_THE_BUILD) or "patid" not in types:
            continue
        for sample in group:
            if sample.rows is None:
                continue
            ids = pl.scan_parquet(sample.rows).select("patid").unique().collect()
            unknown = ids.join(known, on="patid", how="anti").height
            if unknown:
                small = unknown < settings.threshold or ids.height < settings.threshold
                share = None if small else round(unknown / ids.height, 3)
                found.append({"file": sample.name, "table": source_table, "share": share})
    return found


def _lists(
    samples: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    work: Path,
    problems: list[InputError],
) -> tuple[Path | None, list[str]]:
    """Read the code lists into the work folder.

    Returns:
        The folder, or None without lists; the phenotypes whose CPRD list has no code of general
        practice that the delivery's database can have.
    """
    if settings.lists is None:
        return None, []
    try:
        read = read_lists(settings.lists)
        medcodes: pl.DataFrame = read.medcodes
        others = {*read.medcodeids["phenotype"], *read.read["phenotype"]}
        useless = others - set(read.medcodes["phenotype"])
        without = [read.phenotypes["phenotype"][index] for index in sorted(useless)]
        if settings.database.look_ups:
            dictionary = rows_of(samples, settings.database.look_ups)
            if not dictionary:
                return None, []
            snomed = None
            if settings.snomed is not None:
                snomed, _ = read_snomed(settings.snomed, read.phenotypes)
            medcodes, mapped = map_medcodes(
                scan(dictionary).collect(), read.read, snomed, read.medcodeids
            )
            without = [
                read.phenotypes["phenotype"][index] for index in mapped["phenotypes_without_a_code"]
            ]
    except InputError as error:
        problems.append(error)
        return None, []
    write_parquet(medcodes, work / "lists" / "medcodes.parquet")
    write_parquet(read.icd, work / "lists" / "icd.parquet")
    return work / "lists", without


def _codes(
    samples: Mapping[str, Sequence[Sample]],
    settings: CheckSettings,
    lists: Path | None,
    problems: list[InputError],
) -> dict[str, Any]:
    """Count, by coding system, the shares of the rows and of their codes that the lists map."""
    practice = rows_of(samples, settings.coded)
    pointers = rows_of(samples, settings.pointing)
    hospital = rows_of(samples, {"hes_diagnosis_hosp"} & set(settings.source_tables))
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
    try:
        outcome = pl.when(pl.col("mapped")).then(pl.lit("mapped")).otherwise(pl.lit("unmapped"))
        require_mapped(
            by_code.drop_nulls("code").with_columns(outcome=outcome), set(mapping["system"])
        )
    except InputError as error:
        problems.append(error)
    report = {}
    for (system,), codes in sorted(by_code.group_by("system")):
        coded = codes.drop_nulls("code")
        rows = int(codes["rows"].sum())
        with_code = int(coded["rows"].sum())
        mapped = coded.filter("mapped")
        report[str(system)] = {
            "rows_read": rounding.rows(rows, settings.threshold),
            "rows_with_a_code": rounding.share(with_code, rows, settings.threshold),
            "rows_mapped": rounding.share(int(mapped["rows"].sum()), with_code, settings.threshold),
            "codes_seen": rounding.rows(coded.height, settings.threshold),
            "codes_mapped": rounding.share(mapped.height, coded.height, settings.threshold),
        }
    return report


def _warnings(report: Mapping[str, Any]) -> Iterator[str]:
    passed = report["passed_over"]
    if passed["files"]:
        more = ", …" if passed["files"] > len(passed["first"]) else ""
        yield (
            f"{passed['files']} files with a source table's name are not read, because they name "
            "CPRD's other database or delivery.files names others: "
            f"{', '.join(passed['first'])}{more}"
        )
    for table, numbers in report["missing_parts"].items():
        yield f"{table}: no part {', '.join(numbers[:10])}, but there are later ones"
    for group in report["duplicated"]:
        yield f"the same file twice ({group['compared']} alike): {', '.join(group['files'])}"
    for table, entry in report["tables"].items():
        yield from (f"{name}: no row" for name in entry["empty_parts"])
        for column, labels in entry["formats"].items():
            if len(labels) > 1:
                found = ", ".join(f"{label} in {parts}" for label, parts in sorted(labels.items()))
                yield f"{table}: the format of {column} differs among parts ({found})"
        if len(entry["layouts"]) > 1:
            yield f"{table}: {len(entry['layouts'])} different header lines among parts"
    orphans: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in report["without_patient_row"]:
        orphans[entry["table"]].append(entry)
    for table, entries in sorted(orphans.items()):
        worst = max(entries, key=lambda entry: entry["share"] or 0.0)
        share = f"{worst['share']:.1%}" if worst["share"] else "a few"
        yield (
            f"{table}: {len(entries)} parts have patients without a Patient row, "
            f"at worst {share} of them in {worst['file']}; is a part of Patient missing?"
        )
