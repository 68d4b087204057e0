"""CPRD Aurum's medical codes to phenotypes, through EMIS's dictionary."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.caliber.snomed import read_snomed
from behrt.cprd.medical_dictionary import map_medcodes
from behrt.cprd.shards import scan
from behrt.files import write_json, write_parquet
from behrt.logs import logger


def main(
    dictionary: list[Path],
    phenotypes: Path,
    medcodeids: Path,
    read_codes: Path,
    medcodes: Path,
    manifest: Path,
    snomed: Path | None = None,
) -> None:
    """Map the codes of all parts of `dictionary`; `snomed` is a list of concepts, if given."""
    concepts, read = None, None
    names = pl.read_parquet(phenotypes)
    if snomed is not None:
        concepts, read = read_snomed(snomed, names)
    pairs, found = map_medcodes(
        scan(dictionary).collect(),
        pl.read_parquet(read_codes),
        concepts,
        pl.read_parquet(medcodeids),
    )
    without = [names["phenotype"][index] for index in found["phenotypes_without_a_code"]]
    found["phenotypes_without_a_code"] = without
    write_parquet(pairs, medcodes)
    write_json({"medical_dictionary": found, "snomed": read}, manifest)
    logger.info(
        "aurum_codes: %d of %d codes of the dictionary are mapped",
        pairs["medcode"].n_unique(),
        found["codes"],
    )
    if found["medcodeids_not_in_the_dictionary"]:
        logger.warning(
            "aurum_codes: %d listed medcodes or medcodeids are not in the dictionary, and not used",
            found["medcodeids_not_in_the_dictionary"],
        )
    if without:
        logger.warning(
            "aurum_codes: no code of the dictionary for %d phenotypes with a list: %s",
            len(without),
            ", ".join(without),
        )


if __name__ == "__main__":
    stage.run(main, snakemake)
