"""The medical codes of CPRD Aurum: from EMIS's dictionary to the phenotypes of the code lists.

An Aurum record has a medcodeid. The dictionary has the Read code and the concept of SNOMED CT of
each. A list defines a phenotype by medcodeids, Read codes or concepts.
"""

from typing import Any

import dataframely as dy
import polars as pl

from behrt.caliber import read_codes
from behrt.caliber.lists import ListedMedcodes
from behrt.cprd.diagnoses import MEDCODE
from behrt.errors import InputError


def map_medcodes(
    dictionary: pl.DataFrame,
    listed: pl.DataFrame,
    snomed: pl.DataFrame | None = None,
    medcodeids: pl.DataFrame | None = None,
) -> tuple[dy.DataFrame[ListedMedcodes], dict[str, Any]]:
    """Find the phenotypes of Aurum's medical codes.

    A code's Read code is the cleansed one, else the original one. A Read code of seven characters
    must be in a list as it is; one of five characters stands for any term of that code. A phenotype
    with a list of SNOMED CT concepts is defined by these only.

    Args:
        dictionary: the extracted dictionary: medcode (medcodeid), readcode and originalreadcode
            String, snomed (concept) Int64; null where blank. It can have the rows of several
            releases.
        listed: Read codes of the lists: read, phenotype.
        snomed: concepts of the lists: snomed, phenotype; None without such lists.
        medcodeids: what can be medcodeids in the lists: medcodeid, phenotype; None without such
            lists. Those that the dictionary lacks do not count.

    Returns:
        The pairs of a medcodeid and a phenotype, and a manifest: codes of the dictionary, how many
        of them have a Read code and a concept, pairs by each kind of list, listed medcodeids that
        the dictionary lacks, and the phenotypes with a list and without a code.

    Raises:
        InputError: no code of the lists is in the dictionary.
    """
    codes = dictionary.select(
        "medcode",
        "snomed",
        read=pl.coalesce(
            read_codes.of_a_record(pl.col("readcode")),
            read_codes.of_a_record(pl.col("originalreadcode")),
        ),
    ).unique()
    nothing = listed.clear().select(code=pl.lit(None, pl.Int64), phenotype="phenotype")
    concepts = nothing.rename({"code": "snomed"}) if snomed is None else snomed
    ids = nothing.rename({"code": "medcodeid"}) if medcodeids is None else medcodeids
    by_concepts = pl.col("phenotype").is_in(concepts["phenotype"].unique().implode())
    by_concept = codes.join(concepts, on="snomed").select("medcode", "phenotype").unique()
    by_read = (
        codes.join(
            read_codes.with_short_forms(listed.select("phenotype", code="read")),
            left_on="read",
            right_on="code",
        )
        .select("medcode", "phenotype")
        .unique()
        .filter(~by_concepts)
    )
    by_id = (
        codes.select("medcode")
        .unique()
        .join(ids, left_on="medcode", right_on="medcodeid")
        .filter(~by_concepts)
    )
    pairs = pl.concat([by_read, by_id, by_concept]).unique().filter(pl.col("medcode") > 0)
    wanted = {phenotype for frame in (listed, concepts, ids) for phenotype in frame["phenotype"]}
    if pairs.is_empty() and wanted:
        raise InputError(
            "EMIS's dictionary",
            "none of the codes of the code lists is in it",
            "Check that the code lists have Read codes or medcodeids, and that the dictionary is "
            "the one of this delivery",
        )
    unknown = ids.join(codes, left_on="medcodeid", right_on="medcode", how="anti")
    return ListedMedcodes.validate(pairs.sort(pl.all())), {
        "codes": codes["medcode"].n_unique(),
        "with_a_read_code": codes.drop_nulls("read")["medcode"].n_unique(),
        "with_a_snomed_concept": codes.drop_nulls("snomed")["medcode"].n_unique(),
        "pairs_by_read_code": by_read.height,
        "pairs_by_medcodeid": by_id.height,
        "pairs_by_snomed_concept": by_concept.height,
        "medcodeids_not_in_the_dictionary": unknown["medcodeid"].n_unique(),
        "phenotypes_without_a_code": sorted(wanted - set(pairs["phenotype"])),
    }


def describe_medcodes(dictionary: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the terms of the lists' codes, with Aurum's medical codes in place of GOLD's.

    Args:
        dictionary: as `map_medcodes` takes it.
        terms: system, code, read, term, as `behrt.caliber.lists.read_terms` returns them.

    Returns:
        The same columns: one row per medcodeid, with its Read code, and the term of the list that
        has that Read code or medcodeid; rows of other systems as they are.
    """
    of_gold = pl.col("system") == MEDCODE
    listed = terms.filter(of_gold).select(read_codes.of_a_list(pl.col("read")), "term")
    by_id = terms.filter(of_gold & pl.col("read").is_null()).select("code", term_of_id="term")
    words = (
        dictionary.select(code=pl.col("medcode").cast(pl.String), read="readcode")
        .unique("code", keep="first", maintain_order=True)
        .join(
            listed.drop_nulls("read").unique("read", keep="first", maintain_order=True),
            on="read",
            how="left",
            maintain_order="left",
        )
        .join(by_id, on="code", how="left", maintain_order="left")
        .select(
            pl.lit(MEDCODE).alias("system"),
            "code",
            "read",
            term=pl.coalesce("term", "term_of_id"),
        )
    )
    return pl.concat([words, terms.filter(~of_gold)])
