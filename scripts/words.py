"""What each code of the dataset becomes, and the vocabulary that follows."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt import stage
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.sources.codes import Codes
from behrt.sources.concepts import describe_concepts, read_concepts
from behrt.sources.meds import read_metadata
from behrt.sources.words import CodeListFiles, count_codes, make_words


def main(
    records: list[Path],
    words: Path,
    listed: Path,
    manifest: Path,
    shards: int,
    systems: Sequence[dict[str, str]],
    own: Sequence[str] | None,
    ambiguous: str | None,
    minimum_patients: int,
    phenotypes: Path | None = None,
    icd: Path | None = None,
    read_codes: Path | None = None,
    crosswalk: Path | None = None,
    snomed: Path | None = None,
    metadata: Path | None = None,
    concepts: list[Path] | None = None,
) -> None:
    """Read all records once, shard by shard.

    `metadata` describes the codes of a MEDS dataset, `concepts` those of OMOP's vocabularies.
    """
    counts = count_codes(records, shards)
    known = read_concepts(concepts or [], counts["concept"].drop_nulls().unique())
    described = describe_concepts(known) if concepts else read_metadata(metadata)
    made, vocabulary, summary = make_words(
        counts,
        Codes.read(systems, own, phenotypes is not None, ambiguous),
        CodeListFiles(phenotypes, icd, read_codes, crosswalk, snomed),
        described,
        minimum_patients,
        known,
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
    if summary["fit_several_systems"]:
        logger.warning(
            "words: %d codes fit several of `systems` and are not used; deliver the table concept "
            "and condition_source_concept_id, list fewer `systems`, or set `codes.ambiguous`",
            summary["fit_several_systems"],
        )
    for system, key in (("icd9cm", "crosswalk"), ("snomed", "snomed")):
        unmapped = made.filter((pl.col("system") == system) & pl.col("event").is_null())
        if not unmapped.is_empty() and key not in summary and phenotypes is not None:
            logger.warning(
                "words: %d codes of %s are not used without `codes.%s`",
                unmapped.height,
                system,
                key,
            )


if __name__ == "__main__":
    stage.run(main, snakemake)
