"""Small code lists, and the stages of a source run as the workflow runs them."""

import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from behrt.settings.concepts import ConceptSettings
from behrt.settings.sources import Meds, Omop
from behrt.sources import meds, omop, omop_inputs

REPOSITORY = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = yaml.safe_load(
    (REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text()
)["properties"]
STRUCTURE: dict[str, str] = {
    key: value["default"]
    for key, value in SCHEMA["meds"]["properties"]["structure"]["properties"].items()
}
DEFAULT_SYSTEMS: dict[str, list[dict[str, str]]] = {
    source: SCHEMA[source]["properties"]["systems"]["default"] for source in ("meds", "omop")
}

LISTS = {
    "dictionary.csv": "phenotype,CPRD,ICD,OPCS\nHypertension,a.csv,b.csv,\n"
    "Infarction,,c.csv,\nDiabetes,d.csv,e.csv,\n",
    "phenotype_categories_mapping.csv": "Phenotype,Category\nHypertension,Heart\n"
    "Infarction,Heart\nDiabetes,Glands\n",
    "primary_care/a.csv": "Readcode,Medcode\nG20..00,1\nG20..11,2\n",
    "primary_care/d.csv": "Readcode,Medcode\nC10F.00,3\n1434000.0,4\n1E+05,5\n",
    "secondary_care/b.csv": "ICD10code\nI10\n",
    "secondary_care/c.csv": "ICD10code\nI21\nI22.1\n",
    "secondary_care/e.csv": "ICD10code\nE11\n",
}


def script(name: str) -> Callable[..., None]:
    main: Callable[..., None] = runpy.run_path(str(REPOSITORY / "scripts" / f"{name}.py"))["main"]
    return main


@pytest.fixture(scope="session")
def listed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The phenotypes' tables, as the inputs of the words rule. Not to be changed."""
    made_in = tmp_path_factory.mktemp("lists")
    folder = made_in / "lists"
    for path, text in LISTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    tables = ("phenotypes", "medcodes", "medcodeids", "icd", "read_codes")
    made = {name: made_in / "phenotypes" / f"{name}.parquet" for name in tables}
    script("phenotypes")(lists=folder, manifest=made_in / "phenotypes.json", **made)
    del made["medcodes"], made["medcodeids"]
    return made


@pytest.fixture
def lists(listed: dict[str, Path]) -> dict[str, Path]:
    return dict(listed)


def bring_in(
    layout: str,
    folder: Path,
    out: Path,
    lists: dict[str, Path] | None = None,
    systems: Sequence[dict[str, str]] | None = None,
    own: list[str] | None = None,
    minimum_patients: int = 1,
    shards: int = 2,
    condition: str = "condition_source_value",
    maximum_refused: float = 0.5,
    ambiguous: str | None = None,
    blank: Sequence[str] = (),
    structure: Mapping[str, str] | None = None,
    concepts: Sequence[str] = (),
    **optional: Path,
) -> pl.DataFrame:
    """Run the scripts of a source's stages; return the MEDS rows of all shards, sorted."""
    chosen = DEFAULT_SYSTEMS[layout] if systems is None else systems
    common = {"systems": chosen, "own": own, "shards": shards}
    records = []
    for part in {"meds": meds, "omop": omop}[layout].find_parts(folder):
        records.append(out / "imported" / part.table / f"{part.part}.parquet")
        script("import_part")(
            sources=[part.path],
            records=records[-1],
            manifest=records[-1].with_suffix(".json"),
            layout=layout,
            table=part.table,
            maximum_refused=maximum_refused,
            lists=lists is not None,
            structure={**STRUCTURE, **(structure or {})},
            condition=condition,
            blank=blank,
            **common,
        )
    words, listed = out / "words.parquet", out / "listed.parquet"
    script("words")(
        records=records,
        words=words,
        listed=listed,
        manifest=out / "words.json",
        minimum_patients=minimum_patients,
        ambiguous=ambiguous,
        **common,
        **(omop.find_concepts(folder) if layout == "omop" else {}),
        **(lists or {}),
        **optional,
    )
    data, unmapped, counts, concept_shards = (
        [out / name / f"{shard:02d}.parquet" for shard in range(shards)]
        for name in ("meds/data", "unmapped", "counts", "concepts/outcomes")
    )
    inputs = import_inputs(layout, folder, out, concepts, shards, maximum_refused, blank)
    for shard in range(shards):
        if concepts:
            inputs["concept_outcomes"] = concept_shards[shard]
        script("import_events")(
            **inputs,
            records=records,
            words=words,
            events=data[shard],
            unmapped=unmapped[shard],
            counts=counts[shard],
            shard=shard,
        )
    script("import_metadata")(
        listed=listed,
        shards=data,
        unmapped=unmapped,
        counts=counts,
        codes=out / "meds/metadata/codes.parquet",
        dataset=out / "meds/metadata/dataset.json",
        unmapped_codes=out / "unmapped.parquet",
        flow=out / "flow.parquet",
        name="imported",
        **(
            {
                "descriptions": out / "concepts/descriptions.parquet",
                "concept_shards": concept_shards,
                "concept_outcomes": out / "concepts/outcomes.parquet",
            }
            if concepts
            else {}
        ),
    )
    return pl.concat(map(pl.read_parquet, data)).sort("subject_id", "time", "code")


def import_inputs(
    layout: str,
    folder: Path,
    out: Path,
    concepts: Sequence[str],
    shards: int,
    maximum_refused: float,
    blank: Sequence[str],
) -> dict[str, Any]:
    """Run the scripts of inputs beyond diagnoses; return those arguments of import_events."""
    if not concepts:
        return {}
    settings = ConceptSettings().model_dump()
    if layout == "meds":
        parts, described = meds.find_parts(folder), meds.find_description(folder)
    else:
        parts = omop_inputs.find_parts(folder, concepts)
        described = omop.find_concepts(folder) | omop_inputs.find_ancestors(folder)
    records = []
    for part in parts:
        records.append(out / "concepts/imported" / part.table / f"{part.part}.parquet")
        script("import_inputs")(
            sources=[part.path],
            records=records[-1],
            manifest=records[-1].with_suffix(".json"),
            layout=layout,
            table=part.table,
            shards=shards,
            maximum_refused=maximum_refused,
            concepts=list(concepts),
            bands=ConceptSettings().measurements,
            input_codes=Meds().model_dump()["input_codes"],
            columns=Meds().model_dump()["columns"],
            measurements=Omop().model_dump()["measurements"],
            blank=blank,
        )
    words = out / "concepts/words.parquet"
    script("input_words")(
        records=records,
        words=words,
        descriptions=out / "concepts/descriptions.parquet",
        layout=layout,
        shards=shards,
        level=settings["medications"]["level"],
        characters=settings["procedures"]["level"],
        **described,
    )
    return {"concepts": concepts, "inputs": records, "input_words": words}


def outcomes(out: Path) -> dict[tuple[str, str], int]:
    """Return the rows of each system and outcome."""
    rows = pl.read_parquet(out / "unmapped.parquet")
    total = rows.group_by("system", "outcome").agg(pl.col("rows").sum())
    return {(system, outcome): count for system, outcome, count in total.iter_rows()}


def steps(out: Path) -> list[int]:
    return pl.read_parquet(out / "flow.parquet")["patients"].to_list()
