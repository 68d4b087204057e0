"""Turn one shard of MEDS events into visit sequences."""

from datetime import date
from pathlib import Path

from behrt import logs, stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sequences.sequences import build_sequences, read_events
from behrt.sequences.split import read_splits
from behrt.sequences.vocabulary import read_vocabulary


def main(
    events: Path,
    splits: Path,
    vocabulary: Path,
    sequences: Path,
    cut_off: str | None,
    death: str,
) -> None:
    read = read_events(events)
    words = read_vocabulary(vocabulary)
    frame = build_sequences(
        read,
        read_splits(splits),
        words,
        events,
        date.fromisoformat(cut_off) if cut_off else None,
        death,
    )
    write_parquet(frame, sequences)
    visits = frame["visit_day"].list.len()
    logger.info(
        "sequences: %s visits with a %s per patient; %s of the patients have none",
        logs.mean(visits.to_numpy(), ".1f"),
        "diagnosis or another input" if words.concept_codes else "diagnosis",
        logs.share(int((visits == 0).sum()), frame.height),
    )
    if cut_off:
        subjects = read["subject_id"].n_unique()
        logger.info(
            "sequences: %s of the patients have no follow-up before the cut-off, and no row",
            logs.share(subjects - frame.height, subjects),
        )


if __name__ == "__main__":
    stage.run(main, snakemake)
