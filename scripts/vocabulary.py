"""Write the vocabulary of a MEDS dataset."""

from pathlib import Path

from behrt import stage
from behrt.logs import logger
from behrt.sequences.vocabulary import read_codes, write_vocabulary


def main(codes: Path, vocabulary: Path) -> None:
    words = read_codes(codes)
    write_vocabulary(words, vocabulary)
    logger.info(
        "vocabulary %s: %d phenotypes in %d chapters",
        words.version,
        len(words.phenotypes),
        len(set(words.chapters)),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
