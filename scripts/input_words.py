"""What the codes of inputs beyond diagnoses become, and what these MEDS codes are called."""

from pathlib import Path

from behrt import stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sources.input_words import (
    InputWords,
    Level,
    describe_meds,
    find_codes,
    make_omop_words,
)
from behrt.sources.meds import read_metadata


def main(
    records: list[Path],
    words: Path,
    descriptions: Path,
    layout: str,
    shards: int,
    level: Level,
    characters: int,
    metadata: Path | None = None,
    concepts: list[Path] | None = None,
    ancestors: list[Path] | None = None,
) -> None:
    """Read all records once; `metadata` is of a MEDS dataset, the other files are of OMOP."""
    codes = find_codes(records, shards)
    if layout == "meds":
        made = InputWords.create_empty()
        named = describe_meds(codes, read_metadata(metadata))
    else:
        made, named = make_omop_words(codes, level, characters, concepts or [], ancestors or [])
        if not (concepts and ancestors) and "medications" in codes["concept"]:
            logger.warning(
                "input words: each drug concept is a word of its own; deliver the tables concept "
                "and concept_ancestor for classes of drugs"
            )
    write_parquet(made, words)
    write_parquet(named, descriptions)
    logger.info("input words: %d codes, %d MEDS codes described", codes.height, named.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
