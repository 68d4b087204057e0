"""What CPRD Aurum's medical codes mean: EMIS's dictionary, to Read, to the code lists.

An Aurum record carries a medcodeid, which CALIBER does not know. The dictionary says the Read code
that each stands for, and the concept of SNOMED CT.
"""

from typing import Any

import dataframely as dy
import polars as pl

from behrt.caliber import read_codes
from behrt.caliber.lists import ListedMedcodes
from behrt.cprd.diagnoses import MEDCODE
from behrt.errors import InputError


def map_medcodes(
    dictionary: pl.DataFrame, listed: pl.DataFrame, snomed: pl.DataFrame | None = None
) -> tuple[dy.DataFrame[ListedMedcodes], dict[str, Any]]:
    """Find the phenotypes of Aurum's medical codes.

    A code's Read code is the cleansed one, else the original one. One of seven characters must be
    listed as it is; one of five stands for any term of that code. A phenotype that has a list of
    SNOMED CT concepts is defined by these alone; its Read codes then do not count.

    Args:
        dictionary: the extracted dictionary: medcode (medcodeid), readcode and originalreadcode
            String, snomed (concept) Int64; null where blank. A release of another year may be
            among the rows.
        listed: Read codes of the lists: read, phenotype.
        snomed: concepts of the lists: snomed, phenotype; None without.

    Returns:
        The pairs of a medcodeid and a phenotype, and a manifest: codes of the dictionary, of these
        with a Read code and with a concept, pairs by either, and how many phenotypes that have a
        list no medcodeid stands for.
    """
    codes = dictionary.select(
        "medcode",
        "snomed",
        read=pl.coalesce(
            read_codes.of_a_record(pl.col("readcode")),
            read_codes.of_a_record(pl.col("originalreadcode")),
        ),
    ).unique()
    concepts = listed.clear().select(snomed=pl.lit(None, pl.Int64), phenotype="phenotype")
    concepts = concepts if snomed is None else snomed
    by_concept = codes.join(concepts, on="snomed").select("medcode", "phenotype").unique()
    by_read = (
        codes.join(
            read_codes.with_short_forms(listed.select("phenotype", code="read")),
            left_on="read",
            right_on="code",
        )
        .select("medcode", "phenotype")
        .unique()
        .filter(~pl.col("phenotype").is_in(concepts["phenotype"].implode()))
    )
    pairs = pl.concat([by_read, by_concept]).filter(pl.col("medcode") > 0).sort(pl.all())
    if pairs.is_empty() and (listed.height or concepts.height):
        raise InputError(
            "EMIS's dictionary",
            "none of the codes of the code lists is in it",
            "Check that the code lists have Read codes or medcodeids, and that the dictionary is "
            "the one of this delivery",
        )
    wanted = set(listed["phenotype"]) | set(concepts["phenotype"])
    return ListedMedcodes.validate(pairs), {
        "codes": codes["medcode"].n_unique(),
        "with_a_read_code": codes.drop_nulls("read")["medcode"].n_unique(),
        "with_a_snomed_concept": codes.drop_nulls("snomed")["medcode"].n_unique(),
        "pairs_by_read_code": by_read.height,
        "pairs_by_snomed_concept": by_concept.height,
        "phenotypes_without_a_code": len(wanted - set(pairs["phenotype"])),
    }


def describe_medcodes(dictionary: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return what the lists' codes mean, Aurum's medical codes in place of GOLD's.

    Args:
        dictionary: as `map_medcodes` takes it.
        terms: system, code, read, term, as `behrt.caliber.lists.read_terms` returns them.

    Returns:
        The same columns: one row a medcodeid, with its Read code, and the term where a list holds
        that Read code; other systems' rows as they are.
    """
    of_gold = pl.col("system") == MEDCODE
    listed = terms.filter(of_gold).select(read_codes.of_a_list(pl.col("read")), "term")
    words = (
        dictionary.select(code=pl.col("medcode").cast(pl.String), read="readcode")
        .unique("code", keep="first", maintain_order=True)
        .join(
            listed.drop_nulls("read").unique("read", keep="first", maintain_order=True),
            on="read",
            how="left",
            maintain_order="left",
        )
        .select(pl.lit(MEDCODE).alias("system"), "code", "read", "term")
    )
    return pl.concat([words, terms.filter(~of_gold)])
