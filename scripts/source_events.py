"""One shard of the cohort's diagnoses as MEDS, in the codes of the source."""

from pathlib import Path

from behrt import stage
from behrt.cprd.events import EventSources, make_source_events
from behrt.logs import logger
from behrt.meds_writer import write_events


def main(
    cohort: Path,
    diagnoses: list[Path],
    hospital: list[Path],
    medcodes: Path,
    icd: Path,
    phenotypes: Path,
    events: Path,
    shard: int,
    pointers: list[Path] | None = None,
) -> None:
    """Write one shard; the inputs are those of the stage `events`."""
    sources = EventSources(
        cohort, diagnoses, [], hospital, [], medcodes, icd, phenotypes, pointers or []
    )
    made = make_source_events(sources, shard)
    write_events(made, events)
    logger.info("source events, shard %d: %d events", shard, made.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
