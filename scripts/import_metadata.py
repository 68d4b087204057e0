"""The metadata of an imported dataset, its unmapped codes, and the subjects left."""

from pathlib import Path

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
) -> None:
    """Describe the dataset called `name`."""
    subjects = add_flows(counts)
    write_parquet(subjects, flow)
    described = list_codes(read_listed(listed), shards)
    write_codes(described, codes)
    write_dataset(name, dataset)
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
