"""What each code of a source becomes: a phenotype of CALIBER, a word of its own, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from behrt.caliber import icd, read_codes
from behrt.caliber.lists import CHAPTER_PREFIX, CODE_PREFIX, NAME, describe_phenotypes
from behrt.errors import InputError
from behrt.logs import progress
from behrt.sources.codes import SYSTEMS, Codes, read_crosswalk, recognise
from behrt.sources.records import scan_records

OWN_PREFIX = "CODE//"
OWN = "own"
NO_SYSTEM = "none"


class Words(dy.Schema):
    """One pair of a source's code and a code of the vocabulary a row; none for an unmapped code."""

    code = dy.String()
    system = dy.String(check=lambda system: system.is_in([*SYSTEMS, OWN, NO_SYSTEM]))
    event = dy.String(nullable=True, description="null where no list maps the code")


@dataclass(frozen=True)
class Lists:
    """The code lists as tables.

    Attributes:
        phenotypes, icd, read_codes: files of phenotypes/; all None without lists.
        crosswalk: from ICD-9-CM to ICD-10, or None.
    """

    phenotypes: Path | None = None
    icd: Path | None = None
    read_codes: Path | None = None
    crosswalk: Path | None = None


def count_codes(parts: Sequence[Path], shards: int) -> pl.DataFrame:
    """Return code, rows, patients (Int64) of every code of a diagnosis, holding a shard at a time.

    Args:
        parts: records.
        shards: how many there are.
    """
    counted = [
        scan_records(parts, shard)
        .filter(pl.col("kind") == "diagnosis")
        .drop_nulls("code")
        .group_by("code")
        .agg(rows=pl.len().cast(pl.Int64), patients=pl.col("subject_id").n_unique().cast(pl.Int64))
        .collect(engine="streaming")
        for shard in progress(range(shards), label="codes", unit="shards")
    ]
    return pl.concat(counted).group_by("code").agg(pl.col("rows", "patients").sum()).sort("code")


def make_words(
    counts: pl.DataFrame,
    codes: Codes,
    lists: Lists,
    metadata: pl.DataFrame,
    minimum_patients: int,
) -> tuple[dy.DataFrame[Words], pl.DataFrame, dict[str, Any]]:
    """Decide what each code becomes.

    A code of a system that a list maps becomes the list's phenotypes. Any other that may be a word
    as it stands (`Codes.own`) becomes CODE//… and the code itself, if enough patients have it and
    a table can show it (`behrt.caliber.lists.NAME`).

    Args:
        counts: of `count_codes`.
        codes: the systems, and which codes may be words as they stand.
        lists: the code lists.
        metadata: code, description, parent_codes, as far as the source tells.
        minimum_patients: who must have a code for it to be a word of its own.

    Returns:
        The words, sorted; code, description, parent_codes of the vocabulary; a manifest.

    Raises:
        InputError: no code becomes a word.
    """
    can_be_shown = pl.col("code").str.contains(NAME)
    seen = recognise(counts, codes.prefixes)
    mapping, manifest = _mapping(lists)
    mapped = seen.join(mapping, on=["system", "bare"]).select("code", "system", "event")
    rest = seen.join(mapped, on="code", how="anti")
    if lists.phenotypes is None:
        # What this workflow wrote as MEDS keeps its words without the lists.
        named = rest.filter((pl.col("system") == "caliber") & can_be_shown).select(
            "code", "system", event="code"
        )
        rest = rest.join(named, on="code", how="anti")
    else:
        named = mapped.clear()
    may_be = rest.with_columns(own=codes.is_own(pl.col("code")) & can_be_shown)
    common = pl.col("patients") >= minimum_patients
    own = may_be.filter(pl.col("own") & common).select(
        "code", pl.lit(OWN).alias("system"), event=pl.lit(OWN_PREFIX) + pl.col("code")
    )
    unmapped = may_be.filter(~(pl.col("own") & common)).select(
        "code",
        pl.col("system").fill_null(NO_SYSTEM),
        event=pl.lit(None, pl.String),
    )
    words = pl.concat([mapped, named, own, unmapped]).unique().sort("code", "event")
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
            f"none of {counts.height} codes of diagnoses becomes a word",
            "Look at `systems` (prefix and system of the source's codes), `caliber`, `codes.own` "
            "and `codes.minimum_patients` in config",
        )
    manifest |= {
        "codes": counts.height,
        "mapped": mapped["code"].n_unique(),
        "own": own.height + named.height,
        "cannot_be_shown": rest.filter(codes.is_own(pl.col("code")) & ~can_be_shown).height,
        "too_rare_to_be_words": may_be.filter(pl.col("own") & ~common).height,
        "unmapped": unmapped.height,
    }
    return Words.validate(words), listed.sort("code"), manifest


def _mapping(lists: Lists) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return system, bare, event of everything that a list maps, and the crosswalk's manifest."""
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
    all_pairs = pl.concat(
        table.select(pl.lit(system).alias("system"), bare="code", phenotype="phenotype")
        for system, table in tables.items()
    )
    events = phenotypes.select(phenotype="index", event="code")
    mapping = all_pairs.join(events, on="phenotype").select("system", "bare", "event").unique()
    return mapping, manifest


def _described(own: pl.DataFrame, metadata: pl.DataFrame) -> pl.DataFrame:
    """Describe words as the source does; the code itself where it says nothing.

    Of the parents only chapters that a table can show are kept.
    """
    chapters = pl.col("parent_codes").list.eval(
        pl.element()
        .filter(pl.element().str.starts_with(CHAPTER_PREFIX) & pl.element().str.contains(NAME))
        .unique()
        .sort()
    )
    one = chapters.list.len() == 1
    return own.join(metadata, on="code", how="left").select(
        code="event",
        description=pl.coalesce("description", "code"),
        parent_codes=pl.when(one).then(chapters),
    )


def read_listed(path: Path) -> pl.DataFrame:
    """Read the vocabulary's words: code, description, parent_codes."""
    return pl.read_parquet(path)
