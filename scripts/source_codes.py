"""The MEDS codes of medcodes, ICD-10 codes and products in the coding systems of the records."""

from pathlib import Path

from behrt import stage
from behrt.cprd.concepts.look_ups import LookUpFile
from behrt.cprd.source_codes import name_source_codes
from behrt.files import write_parquet
from behrt.logs import logger


def main(
    lists: Path,
    source_codes: Path,
    dictionary: list[Path] | None = None,
    medical: Path | None = None,
    medical_member: str | None = None,
    products: Path | None = None,
    products_member: str | None = None,
) -> None:
    """Name the codes; the members are the names of the texts of look-ups in zips.

    `dictionary` is the medical dictionary of CPRD Aurum, `medical` is CPRD GOLD's medical.txt, and
    `products` the dictionary of products.
    """
    named = name_source_codes(
        lists,
        dictionary or [],
        LookUpFile(medical, medical_member, "medical") if medical else None,
        LookUpFile(products, products_member, "product") if products else None,
    )
    write_parquet(named, source_codes)
    logger.info("source codes: %d codes named", named.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
