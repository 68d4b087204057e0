"""One shard of an imported dataset's events as MEDS, what was not mapped, and who was left."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.meds_writer import write_events
from behrt.sources.events import make_events
from behrt.sources.input_events import scan_inputs


def main(
    records: list[Path],
    words: Path,
    events: Path,
    unmapped: Path,
    counts: Path,
    shard: int,
    concepts: Sequence[str] = (),
    inputs: Sequence[Path] = (),
    input_words: Path | None = None,
    concept_outcomes: Path | None = None,
) -> None:
    """Write one shard, with the inputs beyond diagnoses that `concepts` names."""
    rows = scan_inputs(inputs, shard, concepts, input_words) if concepts else None
    made = make_events(records, words, shard, rows)
    write_events(made.events, events)
    write_parquet(made.outcomes, unmapped)
    write_parquet(made.flow, counts)
    if concept_outcomes is not None:
        write_parquet(made.concept_outcomes, concept_outcomes)
    logger.info("events, shard %d: %d events", shard, made.events.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
