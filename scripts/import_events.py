"""One shard of an imported dataset's events as MEDS, what was not mapped, and who was left."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.concept_events import make_concept_events, with_concepts
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.meds_writer import write_events
from behrt.sources.events import make_events
from behrt.sources.input_events import find_window, scan_inputs


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
    made, outcomes, flow = make_events(records, words, shard)
    if concept_outcomes is not None:
        rows = scan_inputs(inputs, shard, concepts, input_words)
        others, counted = make_concept_events(find_window(made), rows)
        made = with_concepts(made, others)
        write_parquet(counted, concept_outcomes)
    write_events(made, events)
    write_parquet(outcomes, unmapped)
    write_parquet(flow, counts)
    logger.info("events, shard %d: %d events", shard, made.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
