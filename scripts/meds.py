"""The metadata of the MEDS dataset, and the unmapped codes of all shards."""

from pathlib import Path

from behrt import concept_outcomes as concepts
from behrt import stage
from behrt.caliber.lists import describe_phenotypes
from behrt.cprd.diagnoses import read_mapping
from behrt.diagnosis_outcomes import add_outcomes, require_mapped
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.meds_writer import list_codes, write_codes, write_dataset


def main(
    phenotypes: Path,
    medcodes: Path,
    icd: Path,
    shards: list[Path],
    unmapped: list[Path],
    codes: Path,
    dataset: Path,
    unmapped_codes: Path,
    name: str,
    concept_shards: list[Path] | None = None,
    concept_outcomes: Path | None = None,
) -> None:
    """Describe the dataset called `name`; `medcodes` and `icd` map codes to `phenotypes`.

    The shards' outcomes of records beyond diagnoses, if any, are added up too.
    """
    outcomes = add_outcomes(unmapped)
    require_mapped(outcomes, set(read_mapping(medcodes, icd)["system"]))
    if concept_shards and concept_outcomes is not None:
        records = concepts.add_outcomes(concept_shards)
        concepts.require_mapped(records)
        write_parquet(records, concept_outcomes)
    listed = list_codes(describe_phenotypes(phenotypes), shards)
    write_codes(listed, codes)
    write_dataset(name, dataset, units=concept_outcomes is not None)
    write_parquet(outcomes, unmapped_codes)
    logger.info("meds: %d codes described", listed.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
