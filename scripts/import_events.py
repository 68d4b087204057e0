"""One shard of an imported dataset's events as MEDS, what was not mapped, and who was left."""

from pathlib import Path

from behrt import stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.meds_writer import write_events
from behrt.sources.events import make_events


def main(
    records: list[Path], words: Path, events: Path, unmapped: Path, counts: Path, shard: int
) -> None:
    """Write one shard."""
    made, outcomes, flow = make_events(records, words, shard)
    write_events(made, events)
    write_parquet(outcomes, unmapped)
    write_parquet(flow, counts)
    logger.info("events, shard %d: %d events", shard, made.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
