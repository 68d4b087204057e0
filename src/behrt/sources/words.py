"""What each code of a source becomes: a phenotype of CALIBER, a word of its own, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from behrt.caliber import icd, read_codes
from behrt.caliber.lists import CHAPTER_PREFIX, CODE_PREFIX, NAME, describe_phenotypes
from behrt.caliber.snomed import read_snomed
from behrt.errors import InputError
from behrt.logs import progress
from behrt.sources.codes import SEVERAL, SYSTEMS, Codes, read_crosswalk, recognise
from behrt.sources.concepts import FIRST_LOCAL, VOCABULARIES, Concepts
from behrt.sources.records import scan_records

OWN_PREFIX = "CODE//"
OWN = "own"
NO_SYSTEM = "none"


class CodeWords(dy.Schema):
    """One row per pair of a source's code and a code of the vocabulary.

    A code of the source is a text and, in OMOP, a concept; null where a row has none.
    """

    code = dy.String()
    concept = dy.Int64(nullable=True)
    system = dy.String(check=lambda system: system.is_in([*SYSTEMS, OWN, NO_SYSTEM, SEVERAL]))
    event = dy.String(nullable=True, description="null where no list maps the code")


@dataclass(frozen=True)
class CodeListFiles:
    """The code lists as files.

    Attributes:
        phenotypes, icd, read_codes: tables of phenotypes/; all None without lists.
        crosswalk: from ICD-9-CM to ICD-10, or None.
        snomed: concepts of SNOMED CT that define phenotypes, or None.
    """

    phenotypes: Path | None = None
    icd: Path | None = None
    read_codes: Path | None = None
    crosswalk: Path | None = None
    snomed: Path | None = None


def count_codes(parts: Sequence[Path], shards: int) -> pl.DataFrame:
    """Count the rows and the patients of each code; one shard at a time is held in memory.

    Args:
        parts: records.
        shards: how many there are.

    Returns:
        code, concept; rows; patients (Int64) who have the code on a known day, whatever its
        concept. Sorted by code and concept.
    """
    rows, patients = [], []
    for shard in progress(range(shards), label="codes", unit="shards"):
        diagnoses = (
            scan_records(parts, shard)
            .filter(pl.col("kind") == "diagnosis")
            .drop_nulls("code")
            .collect(engine="streaming")
        )
        rows.append(diagnoses.group_by("code", "concept").len("rows"))
        dated = diagnoses.drop_nulls("day").group_by("code")
        patients.append(dated.agg(patients=pl.col("subject_id").n_unique()))
    by_code = pl.concat(patients).group_by("code").agg(pl.col("patients").sum())
    return (
        pl.concat(rows)
        .group_by("code", "concept")
        .agg(pl.col("rows").sum())
        .join(by_code, on="code", how="left")
        .with_columns(pl.col("rows").cast(pl.Int64), pl.col("patients").fill_null(0).cast(pl.Int64))
        .sort("code", "concept")
    )


def make_words(
    counts: pl.DataFrame,
    codes: Codes,
    lists: CodeListFiles,
    metadata: pl.DataFrame,
    minimum_patients: int,
    concepts: dy.DataFrame[Concepts] | None = None,
) -> tuple[dy.DataFrame[CodeWords], pl.DataFrame, dict[str, Any]]:
    """Decide what each code becomes.

    A code of a system that a list maps becomes the list's phenotypes. Any other that may be a word
    unchanged (`Codes.own`) becomes CODE//… and the code itself, if enough patients have it and
    a table can show it (`behrt.caliber.lists.NAME`).

    Args:
        counts: of `count_codes`.
        codes: the systems, and which codes may become words unchanged.
        lists: the code lists.
        metadata: code, description, parent_codes, as far as the source describes its codes.
        minimum_patients: who must have a code for it to be a word of its own.
        concepts: of the concepts in `counts`, where OMOP's CONCEPT was delivered.

    Returns:
        The words, sorted; code, description, parent_codes of the vocabulary; a manifest.

    Raises:
        InputError: no code becomes a word.
    """
    can_be_shown = pl.col("code").str.contains(NAME)
    seen = recognise(_with_concepts(counts, concepts), codes.prefixes, codes.ambiguous)
    mapping, manifest = _mapping(lists)
    key = ["code", "concept"]
    mapped = seen.join(mapping, on=["system", "bare"]).select(*key, "system", "event")
    rest = seen.join(mapped, on=key, how="anti", nulls_equal=True)
    if lists.phenotypes is None:
        # What this workflow wrote as MEDS keeps its words without the lists.
        named = rest.filter((pl.col("system") == "caliber") & can_be_shown).select(
            *key, "system", event="code"
        )
        rest = rest.join(named, on=key, how="anti", nulls_equal=True)
    else:
        named = mapped.clear()
    may_be = rest.with_columns(own=codes.is_own(pl.col("code")) & can_be_shown)
    common = pl.col("patients") >= minimum_patients
    own = may_be.filter(pl.col("own") & common).select(
        *key, pl.lit(OWN).alias("system"), event=pl.lit(OWN_PREFIX) + pl.col("code")
    )
    unmapped = may_be.filter(~(pl.col("own") & common)).select(
        *key, pl.col("system").fill_null(NO_SYSTEM), event=pl.lit(None, pl.String)
    )
    words = pl.concat([mapped, named, own, unmapped]).unique().sort(*key, "event")
    listed = pl.concat(
        [
            describe_phenotypes(lists.phenotypes)
            if lists.phenotypes
            else _described(named, metadata),
            _described(own, metadata),
        ]
    )
    if words["event"].null_count() == words.height:
        raise InputError(
            "codes",
            f"none of {counts['code'].n_unique()} codes of diagnoses becomes a word",
            "Set `systems` to how the codes begin and what they are; or set `caliber`, or "
            "`codes.own` and `codes.minimum_patients`, for words of their own",
        )
    several = unmapped.filter(pl.col("system") == SEVERAL)
    manifest |= {
        "codes": counts["code"].n_unique(),
        "mapped": mapped["code"].n_unique(),
        "own": own["code"].n_unique() + named["code"].n_unique(),
        "cannot_be_shown": rest.filter(codes.is_own(pl.col("code")) & ~can_be_shown).height,
        "too_rare_to_be_words": may_be.filter(pl.col("own") & ~common)["code"].n_unique(),
        "unmapped": unmapped["code"].n_unique(),
        "fit_several_systems": several["code"].n_unique(),
        "rows_of_codes_that_fit_several_systems": int(
            several.join(counts, on=key, nulls_equal=True)["rows"].sum()
        ),
    }
    return CodeWords.validate(words), listed.sort("code"), manifest


def _with_concepts(counts: pl.DataFrame, concepts: dy.DataFrame[Concepts] | None) -> pl.DataFrame:
    """Add vocabulary and concept_code as `recognise` takes them.

    A concept that the site defined does not state the code's system.
    """
    if concepts is None:
        return counts.with_columns(
            pl.lit(None, pl.String).alias(name) for name in ("vocabulary", "concept_code")
        )
    standard = concepts.filter(pl.col("concept") < FIRST_LOCAL).select(
        "concept",
        "concept_code",
        vocabulary=pl.col("vocabulary").replace_strict(
            VOCABULARIES, default="", return_dtype=pl.String
        ),
    )
    return counts.join(standard, on="concept", how="left", maintain_order="left")


def _mapping(lists: CodeListFiles) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return system, bare, event of everything that a list maps, and manifests of the lists."""
    empty = pl.DataFrame(schema=dict.fromkeys(("system", "bare", "event"), pl.String))
    if lists.phenotypes is None or lists.icd is None or lists.read_codes is None:
        return empty, {}
    phenotypes = pl.read_parquet(lists.phenotypes)
    by_icd = icd.with_children(pl.read_parquet(lists.icd).select("phenotype", code="icd"))
    by_read = read_codes.with_short_forms(
        pl.read_parquet(lists.read_codes).select("phenotype", code="read")
    )
    by_name = phenotypes.select(
        code=pl.col("code").str.strip_prefix(CODE_PREFIX), phenotype="index"
    )
    tables = {"icd10": by_icd, "read": by_read, "caliber": by_name}
    manifest: dict[str, Any] = {}
    if lists.crosswalk is not None:
        pairs, manifest["crosswalk"] = read_crosswalk(lists.crosswalk)
        tables["icd9cm"] = pairs.join(by_icd, left_on="icd10", right_on="code").select(
            "code", "phenotype"
        )
    if lists.snomed is not None:
        by_concept, manifest["snomed"] = read_snomed(lists.snomed, phenotypes)
        tables["snomed"] = by_concept.select(
            pl.col("snomed").cast(pl.String).alias("code"), "phenotype"
        )
    all_pairs = pl.concat(
        table.select(pl.lit(system).alias("system"), bare="code", phenotype="phenotype")
        for system, table in tables.items()
    )
    events = phenotypes.select(phenotype="index", event="code")
    mapping = all_pairs.join(events, on="phenotype").select("system", "bare", "event").unique()
    return mapping, manifest


def _described(own: pl.DataFrame, metadata: pl.DataFrame) -> pl.DataFrame:
    """Describe words as the source does; as the code itself where it does not.

    Of descriptions and parents, only those are kept that a table can show; of parents, only
    chapters.
    """
    chapters = pl.col("parent_codes").list.eval(
        pl.element()
        .filter(pl.element().str.starts_with(CHAPTER_PREFIX) & pl.element().str.contains(NAME))
        .unique()
        .sort()
    )
    one = chapters.list.len() == 1
    shown = pl.when(pl.col("description").str.contains(NAME)).then("description")
    words = own.select("code", "event").unique(maintain_order=True)
    return words.join(metadata, on="code", how="left").select(
        code="event",
        description=pl.coalesce(shown, "code"),
        parent_codes=pl.when(one).then(chapters),
    )


def read_listed(path: Path) -> pl.DataFrame:
    """Read the words of the vocabulary: code, description, parent_codes."""
    return pl.read_parquet(path)
