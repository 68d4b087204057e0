"""Trace the diseases of one sex that are recorded for the other to the codes that do it."""

from pathlib import Path

from behrt import stage
from behrt.caliber.lists import read_terms
from behrt.caliber.sex_specific import read_sex_specific
from behrt.cprd.diagnoses import read_mapping
from behrt.cprd.medical_dictionary import describe_medcodes
from behrt.cprd.sex_codes import count_shards, read_names, tabulate
from behrt.cprd.shards import scan
from behrt.disclosure import Rules, write_table
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger


def main(
    lists: Path,
    phenotypes: Path,
    medcodes: Path,
    icd: Path,
    cohort: Path,
    gp: list[Path],
    hospital: list[Path],
    table: Path,
    shards: int,
    data: str,
    pointers: list[Path],
    disclosure: dict[str, int],
    diseases: Path | None = None,
    dictionary: list[Path] | None = None,
) -> None:
    """Tabulate.

    `lists` is CALIBER's folder, `gp` the tables of diagnoses, of whose rows `pointers` choose,
    `diseases` the user's own table, `dictionary` that of CPRD Aurum's codes.
    """
    rules = Rules(**disclosure)
    names = read_names(phenotypes)
    chosen = read_sex_specific(names, diseases)
    mapping = read_mapping(medcodes, icd)
    counts = count_shards(cohort, gp, hospital, mapping, chosen, shards, pointers)
    terms = read_terms(lists)
    if dictionary is not None:
        terms = describe_medcodes(scan(dictionary).collect(), terms)
    codes = tabulate(counts, mapping, terms, names, chosen, rules.threshold)
    write_table(with_facts(codes, data=data), table, rules)
    of_both = codes.filter("of_both_sexes")
    logger.info(
        "diseases of one sex that the other has: %d, by %d codes, %d of which are not that sex's "
        "alone",
        codes["disease"].n_unique(),
        len(codes),
        len(of_both),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
