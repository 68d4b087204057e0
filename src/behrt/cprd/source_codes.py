"""The records of CPRD in their own coding systems: Read codes, SNOMED CT, ICD-10, OPCS-4, products.

CPRD's own numbers, medcodes, mean nothing elsewhere. A diagnosis of general practice is therefore
written with the Read code of its medcode (CPRD GOLD) or its SNOMED CT concept (CPRD Aurum), as far
as they are known, else with the medcode. Products have no public code in every delivery: they are
written with CPRD's number, and their names.
"""

from collections.abc import Sequence
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.caliber import read_codes
from behrt.caliber.lists import read_terms
from behrt.cprd.concepts.look_ups import LookUpFile, read_look_up
from behrt.cprd.concepts.procedures import OPCS, Level, scan_procedures
from behrt.cprd.diagnoses import ICD, MEDCODE, read_mapping, scan_diagnoses
from behrt.cprd.medical_dictionary import describe_medcodes
from behrt.cprd.shards import scan, scan_shard

PRODUCT, OPCS4 = "product", "opcs4"
_PREFIXES = {MEDCODE: "MEDCODE", ICD: "ICD10", PRODUCT: "PRODUCT", OPCS4: "OPCS4"}
_MEDICAL = {
    "code": ("medcode",),
    "read": ("readcode",),
    "term": ("desc", "readterm", "description"),
}
_PRODUCTS = {
    "code": ("prodcode", "prodcodeid"),
    "term": ("productname", "termfromemis", "term"),
}


class SourceCodes(dy.Schema):
    """One row per code of the source whose name is not its own prefix and itself, or has a term."""

    system = dy.String(primary_key=True)
    code = dy.String(primary_key=True)
    event = dy.String(description="the MEDS code")
    term = dy.String(nullable=True)


def name_source_codes(
    lists: Path,
    dictionary: Sequence[Path] = (),
    medical: LookUpFile | None = None,
    products: LookUpFile | None = None,
) -> dy.DataFrame[SourceCodes]:
    """Return the MEDS codes of medcodes, ICD-10 codes and products, and their terms.

    In CPRD GOLD, a medcode has the Read code of medical.txt, else the one that a code list gives
    it. In CPRD Aurum, the medical dictionary gives the SNOMED CT concept and the Read code of a
    medcodeid; the concept counts first.

    Args:
        lists: a folder of code lists, as `behrt.caliber.lists.read_lists` takes it.
        dictionary: parts of the extracted dictionary of CPRD Aurum; none for CPRD GOLD.
        medical: CPRD GOLD's medical.txt, if delivered.
        products: the dictionary of products, for a run that reads medications.

    Raises:
        InputError: a look-up cannot be read.
    """
    terms = read_terms(lists)
    delivered = scan(dictionary).collect() if dictionary else None
    named = _of_gold(terms, medical) if delivered is None else _of_aurum(delivered, terms)
    if products is not None:
        drugs = read_look_up(products, _PRODUCTS, ["term"]).drop_nulls("code")
        nothing = pl.lit(None, pl.String)
        named = pl.concat(
            [
                named,
                drugs.unique("code", keep="first", maintain_order=True).select(
                    pl.lit(PRODUCT).alias("system"),
                    "code",
                    concept=nothing,
                    read=nothing,
                    term="term",
                ),
            ]
        )
    return SourceCodes.validate(
        named.select(
            "system",
            "code",
            event=pl.coalesce("concept", pl.format("READ//{}", "read"), _own_code()),
            term="term",
        ).sort("system", "code")
    )


def _of_gold(terms: pl.DataFrame, medical: LookUpFile | None) -> pl.DataFrame:
    """Return system, code, concept (null), read and term of medcodes and ICD-10 codes."""
    listed = terms.with_columns(read_codes.of_a_list(pl.col("read")))
    if medical is not None:
        delivered = (
            read_look_up(medical, _MEDICAL, ["term"])
            .drop_nulls("code")
            .select(pl.lit(MEDCODE).alias("system"), "code", "read", "term")
            .with_columns(read_codes.of_a_list(pl.col("read")))
            .unique("code", keep="first", maintain_order=True)
        )
        # The list's term where both have one: tables show it as well.
        listed = (
            pl.concat([listed.select(delivered.columns), delivered])
            .group_by("system", "code", maintain_order=True)
            .agg(
                pl.col("read").drop_nulls().last(),
                pl.col("term").drop_nulls().first(),
            )
        )
    return listed.select("system", "code", "read", "term", concept=pl.lit(None, pl.String)).select(
        "system", "code", "concept", "read", "term"
    )


def _of_aurum(medical: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return system, code, concept, read and term of medcodeids and ICD-10 codes."""
    named = medical.select(
        pl.lit(MEDCODE).alias("system"),
        code=pl.col("medcode").cast(pl.String),
        concept=pl.format("SNOMED//{}", "snomed"),
        read=pl.coalesce(
            read_codes.of_a_record(pl.col("readcode")),
            read_codes.of_a_record(pl.col("originalreadcode")),
        ),
    ).unique("code", keep="first", maintain_order=True)
    words = describe_medcodes(medical, terms).drop("read")
    return words.join(named, on=["system", "code"], how="left").select(
        "system", "code", "concept", "read", "term"
    )


def make_source_events(
    cohort: Path,
    diagnoses: Sequence[Path],
    hospital: Sequence[Path],
    source_codes: pl.DataFrame,
    shard: int,
    pointers: Sequence[Path] = (),
    prescriptions: Sequence[Path] = (),
    procedures: Sequence[Path] = (),
) -> pl.DataFrame:
    """Return the records of one shard in the codes of the source, mapped or not.

    A record counts on the days of follow-up, as in `behrt.cprd.events.make_events`.

    Args:
        cohort, diagnoses, hospital, pointers: as `behrt.cprd.events.EventSources` has them.
        source_codes: as `SourceCodes`.
        shard: its number.
        prescriptions: parts of therapy or drugissue, for a run that reads medications.
        procedures: parts of hes_procedures_epi, for a run that reads procedures.

    Returns:
        subject_id Int64; time Datetime("us"); code String, READ//…, SNOMED//…, MEDCODE//…, ICD10//…
        or OPCS4//… (at four characters), PRODUCT//…; sorted by all three, without duplicates.
    """
    window = pl.scan_parquet(cohort).select("subject_id", "follow_up_start", "follow_up_end")
    records = [scan_diagnoses(diagnoses, hospital, shard, pointers)]
    columns = ("subject_id", "day", "system", "code")
    if prescriptions:
        prodcode = pl.when(pl.col("prodcode") != 0).then("prodcode").cast(pl.String)
        issued = scan_shard(prescriptions, shard).with_columns(
            day="eventdate", system=pl.lit(PRODUCT), code=prodcode
        )
        records.append(issued.select(columns))
    if procedures:
        done = scan_procedures(procedures, shard, 4).filter(pl.col("outcome") == "mapped")
        records.append(done.with_columns(system=pl.lit(OPCS4)).select(columns))
    rows = pl.concat(records)
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
    seen: pl.Series,
    source_codes: pl.DataFrame,
    medcodes: Path,
    icd: Path,
    phenotypes: Path,
    products: Path | None = None,
    procedures: Path | None = None,
    level: Level = 3,
) -> pl.DataFrame:
    """Return code, description and parent_codes of the source's codes; sorted by code.

    The parents of a code are the words of this workflow that it is mapped to; null without any.

    Args:
        seen: distinct codes of `make_source_events`.
        source_codes: as `SourceCodes`.
        medcodes, icd, phenotypes: the code lists.
        products, procedures: what products and procedures become (`behrt.cprd.concepts.codes`).
        level: `concepts.procedures.level`.
    """
    named = pl.read_parquet(phenotypes).select(phenotype="index", parent="code")
    diseases = read_mapping(medcodes, icd).join(named, on="phenotype")
    pairs = [diseases.select("system", "code", "parent")]
    if products is not None:
        pairs.append(
            pl.read_parquet(products)
            .explode("events")
            .select(
                pl.lit(PRODUCT).alias("system"),
                code=pl.col("prodcode").cast(pl.String),
                parent="events",
            )
        )
    pairs.append(_procedures(seen, procedures, level))
    parents = (
        pl.concat(pairs)
        .join(source_codes, on=["system", "code"], how="left")
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


def _procedures(seen: pl.Series, listed: Path | None, level: Level) -> pl.DataFrame:
    """Return system, code and parent of the OPCS-4 codes among `seen`."""
    prefix = f"{_PREFIXES[OPCS4]}//"
    codes = pl.DataFrame({"code": seen}).filter(pl.col("code").str.starts_with(prefix))
    bare = codes.select(pl.lit(OPCS4).alias("system"), code=pl.col("code").str.strip_prefix(prefix))
    if level != "caliber":
        return bare.with_columns(parent=OPCS + pl.col("code").str.head(level))
    if listed is None:
        return bare.clear().with_columns(parent=pl.lit(None, pl.String))
    entries = pl.read_parquet(listed).explode("events").select("opcs", parent="events")
    exact = bare.join(entries, left_on="code", right_on="opcs")
    broader = bare.join(entries, left_on=pl.col("code").str.head(3), right_on="opcs")
    return pl.concat([exact, broader.select(exact.columns)]).unique()
