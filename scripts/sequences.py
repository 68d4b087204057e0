"""Turn one shard of MEDS events into visit sequences."""

from pathlib import Path

from behrt import logs, stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sequences.sequences import build_sequences, read_events
from behrt.sequences.split import read_splits
from behrt.sequences.vocabulary import read_vocabulary


def main(events: Path, splits: Path, vocabulary: Path, sequences: Path) -> None:
    frame = build_sequences(
        read_events(events), read_splits(splits), read_vocabulary(vocabulary), events
    )
    write_parquet(frame, sequences)
    visits = frame["visit_day"].list.len()
    logger.info(
        "sequences: %s visits with a diagnosis a patient; without one are %s of the patients",
        logs.mean(visits.to_numpy(), ".1f"),
        logs.share(int((visits == 0).sum()), frame.height),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
