"""The codes by which sex-specific diseases are recorded for the other sex."""

from pathlib import Path

import polars as pl

from behrt.caliber.lists import read_terms
from behrt.caliber.sex_specific import read_sex_specific
from behrt.cprd.diagnoses import read_mapping
from behrt.cprd.medical_dictionary import describe_medcodes
from behrt.cprd.sex_codes import count_shards, read_names, tabulate
from behrt.cprd.shards import scan
from behrt.logs import logger
from behrt.run import Run


def table(
    run: Run,
    lists: Path,
    phenotypes: Path,
    medcodes: Path,
    icd: Path,
    cohort: Path,
    gp: list[Path],
    hospital: list[Path],
    pointers: list[Path],
    shards: int,
    diseases: Path | None = None,
    dictionary: list[Path] | None = None,
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        lists: folder of CALIBER's code lists.
        phenotypes, medcodes, icd: the phenotypes and their codes.
        cohort: the cohort.
        gp: extracted diagnoses of general practices; `pointers` select some of their rows.
        hospital: extracted diagnoses of hospitals.
        pointers: extracted tables that refer to rows of `gp`.
        shards: patients are counted in so many parts.
        diseases: the user's own list of sex-specific diseases.
        dictionary: extracted medical dictionary of CPRD Aurum.

    Returns:
        The columns of `behrt.cprd.sex_codes.tabulate`.
    """
    names = read_names(phenotypes)
    chosen = read_sex_specific(names, diseases)
    mapping = read_mapping(medcodes, icd)
    counts = count_shards(cohort, gp, hospital, mapping, chosen, shards, pointers)
    terms = read_terms(lists)
    if dictionary is not None:
        terms = describe_medcodes(scan(dictionary).collect(), terms)
    codes = tabulate(counts, mapping, terms, names, chosen, run.disclosure.threshold)
    logger.info(
        "sex-specific diseases recorded for the other sex: %d, by %d codes, of which %d also stand "
        "for a disease of both sexes",
        codes["disease"].n_unique(),
        len(codes),
        len(codes.filter("of_both_sexes")),
    )
    return codes
