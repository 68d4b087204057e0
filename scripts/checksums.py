"""Write the hash of every file of a run."""

from pathlib import Path

from behrt import stage
from behrt.checksums import checksums, write_checksums
from behrt.logs import NOTICE, logger


def main(files: list[Path], table: Path) -> None:
    """Write the hashes of the files in the folder of `table`; `files` are some that must exist."""
    found = checksums(table.parent)
    write_checksums(found, table)
    logger.log(NOTICE, "%d files, %d MB", len(found), sum(each.bytes for each in found) / 1e6)


if __name__ == "__main__":
    stage.run(main, snakemake)
