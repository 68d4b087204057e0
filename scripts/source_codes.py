"""The MEDS codes of medcodes and ICD-10 codes in the coding systems of the records."""

from pathlib import Path

from behrt import stage
from behrt.cprd.source_codes import name_source_codes
from behrt.files import write_parquet
from behrt.logs import logger


def main(lists: Path, source_codes: Path, dictionary: list[Path] | None = None) -> None:
    """Name the codes; `dictionary` is the medical dictionary of CPRD Aurum."""
    named = name_source_codes(lists, dictionary or [])
    write_parquet(named, source_codes)
    logger.info("source codes: %d codes named", named.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
