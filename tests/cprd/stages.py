"""The scripts of the CPRD stages, run as the workflow runs them, and three small code lists."""

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from behrt.concepts import concepts_in
from behrt.cprd.concepts.codes import names_of
from behrt.cprd.concepts.look_ups import find_look_ups
from behrt.cprd.databases import DATABASES
from behrt.cprd.delivery import batches_of, find_parts
from behrt.settings.concepts import ConceptSettings
from behrt.settings.delivery import CohortRules

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str) -> Callable[..., None]:
    main: Callable[..., None] = runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]
    return main


def write_lists(folder: Path) -> None:
    """Write lists of gout, liver disease and blood pressure, which share some codes."""
    for path, text in {
        "dictionary.csv": "phenotype,CPRD,ICD,OPCS\nGout,a.csv,b.csv,\nLiver,c.csv,d.csv,\n"
        "Blood pressure,,e.csv,\n",
        "phenotype_categories_mapping.csv": "Phenotype,Category\nGout,Joints\nLiver,Gut\n"
        "Blood pressure,Heart\n",
        "primary_care/a.csv": "Readcode,Medcode\nC34..00,7.0\nC340.00,8\n",
        "primary_care/c.csv": "Readcode,Medcode\nC340.00,8.0\n",
        "secondary_care/b.csv": "ICD10code\nM10\n",
        "secondary_care/d.csv": "ICD10code\nK70\nK70.1\n",
        "secondary_care/e.csv": "ICD10code\nI10\nK70.1\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def run_stages(
    delivery: Path,
    lists: Path,
    out: Path,
    shards: int,
    rules: dict[str, Any],
    database: str = "gold",
    diagnoses: Sequence[str] | None = None,
    merged: Path | None = None,
    snomed: Path | None = None,
    without: Sequence[str] = (),
    inputs: Sequence[str] = ("diagnoses",),
    concepts: dict[str, Any] | None = None,
) -> None:
    """Run the stages from delivered text to MEDS.

    `diagnoses` is the configuration's events.tables, `without` its delivery.without; `concepts` is
    its section of that name.
    """
    known = DATABASES[database]
    cohort_rules = CohortRules.model_validate(rules)
    needed = known.needed(diagnoses, without, cohort_rules.state_coverage, inputs)
    parts: dict[str, list[Path]] = {source_table: [] for source_table in known.source_tables}
    extract = script("extract")
    for (source_table, number), batch in batches_of(
        find_parts(delivery, database=database), megabytes=256
    ).items():
        if source_table not in needed:
            continue
        rows = out / "extracted" / source_table / f"{number}.parquet"
        extract(
            sources=[part.path for part in batch],
            rows=rows,
            manifest=rows.with_suffix(".json"),
            database=database,
            source_table=source_table,
            members=[part.member for part in batch],
            shards=shards,
            maximum_refused=0.0,
            options={},
            unread=known.unread(source_table, diagnoses, inputs),
        )
        parts[source_table].append(rows)
    tables = ("phenotypes", "medcodes", "medcodeids", "icd", "read_codes")
    codes = {name: out / f"phenotypes/{name}.parquet" for name in tables}
    script("phenotypes")(lists=lists, manifest=out / "phenotypes/manifest.json", **codes)
    medcodes = codes["medcodes"]
    if database == "aurum":
        medcodes = out / "phenotypes/aurum_medcodes.parquet"
        script("aurum_codes")(
            dictionary=parts["emismedicaldictionary"],
            phenotypes=codes["phenotypes"],
            medcodeids=codes["medcodeids"],
            read_codes=codes["read_codes"],
            medcodes=medcodes,
            manifest=medcodes.with_suffix(".json"),
            snomed=snomed,
        )
    coded, pointers = (
        [path for source_table in source_tables for path in parts[source_table]]
        for source_tables in known.diagnoses(diagnoses)
    )
    mapping = {"medcodes": medcodes, "icd": codes["icd"]}
    cohorts, counts, data, unmapped = (
        [out / folder / f"{shard:02d}.parquet" for shard in range(shards)]
        for folder in ("cohort/shards", "cohort/counts", "meds/data", "unmapped")
    )
    settings = ConceptSettings.model_validate(concepts or {})
    concept_codes = read_concepts(delivery, lists, out, database, inputs, settings)
    for shard in range(shards):
        script("cohort_shard")(
            patient=parts["patient"],
            practice=parts["practice"],
            eligibility=parts["linkage_eligibility"],
            coverage=parts["linkage_coverage"],
            deaths=parts["death_patient"],
            visits=[path for source_table in known.records for path in parts[source_table]],
            admissions=parts["hes_hospital"],
            diagnoses=coded,
            pointers=pointers,
            hospital=parts["hes_diagnosis_hosp"],
            cohort=cohorts[shard],
            counts=counts[shard],
            shard=shard,
            rules=cohort_rules,
            database=database,
            merged=merged,
            without=list(without),
            **mapping,
        )
        own = {}
        if concept_codes is not None:
            own = {"concepts": out / f"concepts/events/{shard:02d}.parquet"}
            tables = [name for concept in concepts_in(inputs) for name in known.concepts[concept]]
            script("concept_events")(
                cohort=cohorts[shard],
                codes=concept_codes,
                events=own["concepts"],
                outcomes=out / f"concepts/outcomes/{shard:02d}.parquet",
                shard=shard,
                database=database,
                inputs=list(inputs),
                level=settings.procedures.level,
                measurements=settings.measurements,
                **{name: parts[name] for name in tables},
            )
        script("events")(
            cohort=cohorts[shard],
            diagnoses=coded,
            pointers=pointers,
            consultations=parts["consultation"],
            hospital=parts["hes_diagnosis_hosp"],
            admissions=parts["hes_hospital"],
            phenotypes=codes["phenotypes"],
            events=data[shard],
            unmapped=unmapped[shard],
            shard=shard,
            **mapping,
            **own,
        )
    script("cohort")(
        shards=cohorts,
        counts=counts,
        cohort=out / "cohort/cohort.parquet",
        flow=out / "cohort/flow.parquet",
        manifest=out / "cohort/manifest.json",
        patient=parts["patient"],
        practice=parts["practice"],
        coverage=parts["linkage_coverage"],
        rules=cohort_rules,
        database=database,
        merged=merged,
        without=list(without),
    )
    script("meds")(
        **mapping,
        phenotypes=codes["phenotypes"],
        shards=data,
        unmapped=unmapped,
        codes=out / "meds/metadata/codes.parquet",
        dataset=out / "meds/metadata/dataset.json",
        unmapped_codes=out / "unmapped.parquet",
        name="test",
        concept_shards=sorted((out / "concepts/outcomes").glob("*.parquet")),
        concept_outcomes=out / "concepts/outcomes.parquet",
    )


def read_concepts(
    delivery: Path,
    lists: Path,
    out: Path,
    database: str,
    inputs: Sequence[str],
    settings: ConceptSettings,
) -> list[Path] | None:
    """Read what the codes of the inputs beyond diagnoses are; None if there are none."""
    if not concepts_in(inputs):
        return None
    found = find_look_ups(delivery, database, inputs, settings.look_ups)
    level = settings.procedures.level
    paths = [out / f"concepts/codes/{name}.parquet" for name in names_of(database, inputs, level)]
    tests, measurements = settings.tests.codes, settings.measurements.codes
    script("concept_codes")(
        codes=paths,
        manifest=out / "concepts/codes/manifest.json",
        database=database,
        inputs=list(inputs),
        concepts=settings,
        names=list(found),
        members=[file.member for file in found.values()],
        look_ups=[file.path for file in found.values()],
        lists=lists if level == "caliber" else None,
        test_codes=tests and Path(tests),
        measurement_codes=measurements and Path(measurements),
    )
    return paths
