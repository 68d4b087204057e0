"""Write the vocabulary of a MEDS dataset."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from behrt import stage
from behrt.files import write_json
from behrt.logs import logger
from behrt.sequences.concept_words import count_concept_codes, with_concept_words
from behrt.sequences.split import read_splits
from behrt.sequences.vocabulary import read_codes, write_vocabulary


def main(
    codes: Path,
    vocabulary: Path,
    concepts: Sequence[str] = (),
    minimum_patients: int = 1,
    cut_off: str | None = None,
    shards: Sequence[Path] = (),
    splits: Path | None = None,
    manifest: Path | None = None,
) -> None:
    """Write `vocabulary` and, if other `concepts` are read, `manifest`."""
    words = read_codes(codes)
    if splits is not None and manifest is not None:
        first = date.fromisoformat(cut_off) if cut_off else None
        counts = count_concept_codes(shards, read_splits(splits), concepts, first)
        metadata = pl.read_parquet(codes, columns=["code", "description"])
        words, left_out = with_concept_words(words, counts, metadata, concepts, minimum_patients)
        write_json(left_out, manifest)
    write_vocabulary(words, vocabulary)
    logger.info(
        "vocabulary %s: %d phenotypes in %d chapters",
        words.version,
        len(words.phenotypes),
        len(set(words.chapters)),
    )
    for concept, number in words.concepts.items():
        logger.info("vocabulary: %d words of %s", number, concept)


if __name__ == "__main__":
    stage.run(main, snakemake)
