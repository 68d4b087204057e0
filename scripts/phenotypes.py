"""The code lists: phenotypes, and the codes of each."""

from pathlib import Path

from behrt import stage
from behrt.caliber.lists import read_lists
from behrt.caliber.release import Release
from behrt.files import write_json, write_parquet
from behrt.logs import logger


def main(
    lists: Path,
    phenotypes: Path,
    medcodes: Path,
    medcodeids: Path,
    icd: Path,
    read_codes: Path,
    manifest: Path,
) -> None:
    """Read the folder `lists`, laid out as CALIBER's repository."""
    read = read_lists(lists)
    write_parquet(read.phenotypes, phenotypes)
    write_parquet(read.medcodes, medcodes)
    write_parquet(read.medcodeids, medcodeids)
    write_parquet(read.icd, icd)
    write_parquet(read.read, read_codes)
    pinned = not Release.read().missing(lists)
    write_json(read.manifest | {"lists_are_the_pinned_release": pinned}, manifest)
    logger.info(
        "%d phenotypes, %d pairs with a medcode, %d with an ICD-10 code, %d with a Read code",
        read.phenotypes.height,
        read.medcodes.height,
        read.icd.height,
        read.read.height,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
