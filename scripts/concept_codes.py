"""What the codes of medications, procedures, tests and measurements mean."""

from pathlib import Path

from behrt import stage
from behrt.cprd.concepts.codes import read
from behrt.cprd.concepts.look_ups import LookUpFile
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.settings.concepts import ConceptSettings


def main(
    codes: list[Path],
    manifest: Path,
    database: str,
    inputs: list[str],
    concepts: ConceptSettings,
    names: list[str],
    members: list[str | None],
    look_ups: list[Path] | None = None,
    lists: Path | None = None,
    test_codes: Path | None = None,
    measurement_codes: Path | None = None,
) -> None:
    """Read the look-ups called `names`; `members` are the names of their texts in zips."""
    files = {
        name: LookUpFile(path, member, name)
        for name, path, member in zip(names, look_ups or [], members, strict=True)
    }
    frames, found = read(database, inputs, concepts, files, lists, test_codes, measurement_codes)
    for path in codes:
        write_parquet(frames[path.stem], path)
    write_json(found, manifest)
    logger.info("concept_codes: %s", ", ".join(f"{path.stem}" for path in codes) or "no look-up")


if __name__ == "__main__":
    stage.run(main, snakemake)
