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
    read_codes: Path,
    medcodes: Path,
    manifest: Path,
    snomed: Path | None = None,
) -> None:
    """Map the codes of all parts of `dictionary`; `snomed` is a list of concepts, if given."""
    concepts, read = None, None
    if snomed is not None:
        concepts, read = read_snomed(snomed, pl.read_parquet(phenotypes))
    pairs, found = map_medcodes(scan(dictionary).collect(), pl.read_parquet(read_codes), concepts)
    write_parquet(pairs, medcodes)
    write_json({"medical_dictionary": found, "snomed": read}, manifest)
    logger.info(
        "aurum_codes: %d of %d codes of the dictionary are mapped; %d phenotypes have none",
        pairs["medcode"].n_unique(),
        found["codes"],
        found["phenotypes_without_a_code"],
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
