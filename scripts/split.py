"""Split the patients into training, tuning and held-out patients."""

from pathlib import Path

from behrt import logs, stage
from behrt.logs import logger
from behrt.sequences.split import (
    draw_splits,
    read_practices,
    read_subjects,
    take_splits,
    write_splits,
)


def main(
    shards: list[Path],
    splits: Path,
    by: str,
    held_out: float,
    tuning: float,
    seed: int,
    own: Path | None = None,
) -> None:
    """Split by `by`; `own` is the split of the source, for `dataset`.

    A split by time draws patients, too: what is after the cut-off is removed with the sequences.
    """
    subjects = read_subjects(shards).sort()
    if own is not None:
        made = take_splits(own, subjects)
    else:
        practices = read_practices(shards, subjects) if by == "practice" else None
        made = draw_splits(subjects, held_out, tuning, seed, practices)
    write_splits(made, splits)
    counts = made["split"].value_counts().sort("split")
    logger.info(
        "split %s: %s",
        "as the dataset's own subject_splits.parquet has it" if own else f"by {by}",
        ", ".join(f"{logs.share(count, len(made))} {name}" for name, count in counts.iter_rows()),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
