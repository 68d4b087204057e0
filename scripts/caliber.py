"""A verified copy of the pinned release of CALIBER's code lists."""

from pathlib import Path

from behrt import stage
from behrt.caliber import release
from behrt.caliber.lists import read_lists
from behrt.files import write_json
from behrt.logs import NOTICE, logger


def main(verified: Path, address: str | None, local_copy: str | None) -> None:
    """Fill the folder of `verified`; with a `local_copy` (folder or archive), without network."""
    pinned = release.Release.read()
    folder = verified.parent
    if local_copy is None:
        fetched = release.download(pinned, folder, address)
    else:
        fetched = release.copy(pinned, folder, Path(local_copy))
    read = read_lists(folder).manifest
    write_json(release.manifest(pinned) | {"lists": read}, verified)
    logger.log(
        NOTICE,
        "caliber: %d files verified, %d of them new; %d phenotypes in %s",
        len(pinned.files),
        fetched,
        read["phenotypes"],
        folder,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
