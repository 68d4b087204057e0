"""Draw which patients train, tune and are held out."""

from pathlib import Path

from behrt import logs, stage
from behrt.logs import logger
from behrt.sequences.split import draw_splits, read_practices, read_subjects, write_splits


def main(
    shards: list[Path], splits: Path, by: str, held_out: float, tuning: float, seed: int
) -> None:
    """Split; by time, too, patients are drawn: what they lose is cut off with the sequences."""
    subjects = read_subjects(shards).sort()
    practices = read_practices(shards, subjects) if by == "practice" else None
    drawn = draw_splits(subjects, held_out, tuning, seed, practices)
    write_splits(drawn, splits)
    counts = drawn["split"].value_counts().sort("split")
    logger.info(
        "split by %s: %s",
        by,
        ", ".join(f"{logs.share(count, len(drawn))} {name}" for name, count in counts.iter_rows()),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
