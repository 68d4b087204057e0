"""The diagnoses of CPRD in the coding systems of the records: Read codes, SNOMED CT and ICD-10.

CPRD's own numbers, medcodes, mean nothing elsewhere. A record of general practice is therefore
written with the Read code of its medcode (CPRD GOLD) or its SNOMED CT concept (CPRD Aurum), as far
as they are known, else with the medcode.
"""

from collections.abc import Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.caliber import read_codes
from behrt.caliber.lists import read_terms
from behrt.cprd.diagnoses import ICD, MEDCODE, read_mapping, scan_diagnoses
from behrt.cprd.medical_dictionary import describe_medcodes
from behrt.cprd.shards import scan

_PREFIXES = {MEDCODE: "MEDCODE", ICD: "ICD10"}


class SourceCodes(dy.Schema):
    """One row per code of the source whose name is not its own prefix and itself, or has a term."""

    system = dy.String(primary_key=True)
    code = dy.String(primary_key=True)
    event = dy.String(description="the MEDS code")
    term = dy.String(nullable=True)


def name_source_codes(lists: Path, dictionary: Sequence[Path] = ()) -> dy.DataFrame[SourceCodes]:
    """Return the MEDS codes of medcodes and of ICD-10 codes, and their terms in the code lists.

    A medcode has the Read code that a code list gives for it. In CPRD Aurum, the medical dictionary
    gives the SNOMED CT concept and the Read code of a medcodeid; the concept counts first.

    Args:
        lists: a folder of code lists, as `behrt.caliber.lists.read_lists` takes it.
        dictionary: parts of the extracted dictionary of CPRD Aurum; none for CPRD GOLD.
    """
    terms = read_terms(lists)
    nothing = pl.lit(None, pl.String)
    if dictionary:
        medical = scan(dictionary).collect()
        named = (
            medical.select(
                code=pl.col("medcode").cast(pl.String),
                concept=pl.format("SNOMED//{}", "snomed"),
                read=pl.coalesce(
                    read_codes.of_a_record(pl.col("readcode")),
                    read_codes.of_a_record(pl.col("originalreadcode")),
                ),
            )
            .unique("code", keep="first", maintain_order=True)
            .with_columns(system=pl.lit(MEDCODE))
        )
        words = (
            describe_medcodes(medical, terms)
            .drop("read")
            .join(named, on=["system", "code"], how="left")
        )
    else:
        words = terms.with_columns(read_codes.of_a_list(pl.col("read")), concept=nothing)
    return SourceCodes.validate(
        words.select(
            "system",
            "code",
            event=pl.coalesce("concept", pl.format("READ//{}", "read"), _own_code()),
            term="term",
        ).sort("system", "code")
    )


def make_source_events(
    cohort: Path,
    diagnoses: Sequence[Path],
    hospital: Sequence[Path],
    source_codes: pl.DataFrame,
    shard: int,
    pointers: Sequence[Path] = (),
) -> pl.DataFrame:
    """Return the diagnoses of one shard in the codes of the source, mapped or not.

    A diagnosis counts on the days of follow-up, as in `behrt.cprd.events.make_events`.

    Args:
        cohort, diagnoses, hospital, pointers: as `behrt.cprd.events.EventSources` has them.
        source_codes: as `SourceCodes`.
        shard: its number.

    Returns:
        subject_id Int64; time Datetime("us"); code String, READ//…, SNOMED//…, MEDCODE//… or
        ICD10//… (at level 4); sorted by all three, without duplicates.
    """
    window = pl.scan_parquet(cohort).select("subject_id", "follow_up_start", "follow_up_end")
    rows = scan_diagnoses(diagnoses, hospital, shard, pointers)
    coded = (
        rows.drop_nulls(["day", "code"])
        .join(window, on="subject_id")
        .filter(pl.col("day").is_between("follow_up_start", "follow_up_end"))
        .join(source_codes.lazy(), on=["system", "code"], how="left")
        .select(
            "subject_id",
            time=pl.col("day").cast(pl.Datetime("us")),
            code=pl.coalesce("event", _own_code()),
        )
        .unique()
        .collect(engine="streaming")
    )
    return coded.sort("subject_id", "time", "code")


def _own_code() -> pl.Expr:
    return pl.format("{}//{}", pl.col("system").replace_strict(_PREFIXES), "code")


def describe_source_codes(
    seen: pl.Series, source_codes: pl.DataFrame, medcodes: Path, icd: Path, phenotypes: Path
) -> pl.DataFrame:
    """Return code, description and parent_codes of the source's codes; sorted by code.

    The parents of a code are the diseases that it is mapped to; null if there is none.

    Args:
        seen: distinct codes of `make_source_events`.
        source_codes: as `SourceCodes`.
        medcodes, icd, phenotypes: the code lists.
    """
    named = pl.read_parquet(phenotypes).select(phenotype="index", parent="code")
    parents = (
        read_mapping(medcodes, icd)
        .join(source_codes, on=["system", "code"], how="left")
        .join(named, on="phenotype")
        .group_by(code=pl.coalesce("event", _own_code()))
        .agg(parent_codes=pl.col("parent").unique().sort())
    )
    terms = (
        source_codes.drop_nulls("term")
        .group_by(code="event")
        .agg(pl.col("term").sort_by("code").first())
    )
    return (
        pl.DataFrame({"code": seen})
        .join(parents, on="code", how="left")
        .join(terms, on="code", how="left")
        .select(
            "code",
            description=pl.coalesce("term", pl.col("code").str.replace("//", " ")),
            parent_codes="parent_codes",
        )
        .sort("code")
    )
