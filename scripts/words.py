"""What each code of the dataset becomes, and the vocabulary that follows."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.sources.codes import Codes
from behrt.sources.meds import read_metadata
from behrt.sources.words import Lists, count_codes, make_words


def main(
    records: list[Path],
    words: Path,
    listed: Path,
    manifest: Path,
    shards: int,
    systems: Sequence[dict[str, str]],
    own: Sequence[str] | None,
    minimum_patients: int,
    phenotypes: Path | None = None,
    icd: Path | None = None,
    read_codes: Path | None = None,
    crosswalk: Path | None = None,
    metadata: Path | None = None,
) -> None:
    """Read all records once, shard by shard."""
    made, vocabulary, summary = make_words(
        count_codes(records, shards),
        Codes.read(systems, own, phenotypes is not None),
        Lists(phenotypes, icd, read_codes, crosswalk),
        read_metadata(metadata),
        minimum_patients,
    )
    write_parquet(made, words)
    write_parquet(vocabulary, listed)
    write_json(summary, manifest)
    logger.info(
        "words: %d codes, %d of them mapped by a list, %d words of their own",
        summary["codes"],
        summary["mapped"],
        summary["own"],
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
