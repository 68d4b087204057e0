"""The metadata of an imported dataset, its unmapped codes, and the subjects left."""

from pathlib import Path

import polars as pl

from behrt import concept_outcomes as concepts
from behrt import logs, stage
from behrt.diagnosis_outcomes import add_outcomes, share_mapped
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.meds_writer import list_codes, write_codes, write_dataset
from behrt.sources.events import add_flows
from behrt.sources.words import read_listed


def main(
    listed: Path,
    shards: list[Path],
    unmapped: list[Path],
    counts: list[Path],
    codes: Path,
    dataset: Path,
    unmapped_codes: Path,
    flow: Path,
    name: str,
    descriptions: Path | None = None,
    concept_shards: list[Path] | None = None,
    concept_outcomes: Path | None = None,
) -> None:
    """Describe the dataset called `name`.

    With inputs beyond diagnoses, `descriptions` are of their codes, and the shards' outcomes of
    their records are added up.
    """
    subjects = add_flows(counts)
    write_parquet(subjects, flow)
    named = pl.read_parquet(descriptions) if descriptions else None
    described = list_codes(read_listed(listed), shards, named)
    write_codes(described, codes)
    write_dataset(name, dataset, units=descriptions is not None)
    if concept_shards and concept_outcomes is not None:
        found = concepts.add_outcomes(concept_shards)
        concepts.require_mapped(found)
        write_parquet(found, concept_outcomes)
    outcomes = add_outcomes(unmapped)
    write_parquet(outcomes, unmapped_codes)
    logger.info(
        "meds: %d codes described; %s of the subjects and %.1f%% of the diagnoses count",
        described.height,
        logs.share(subjects["patients"][-1], subjects["patients"][0]),
        100 * share_mapped(outcomes),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
