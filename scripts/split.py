"""Draw which patients train, tune and are held out."""

from pathlib import Path

from behrt import logs, stage
from behrt.logs import logger
from behrt.sequences.split import draw_splits, read_subjects, write_splits


def main(shards: list[Path], splits: Path, held_out: float, tuning: float, seed: int) -> None:
    drawn = draw_splits(read_subjects(shards), held_out, tuning, seed)
    write_splits(drawn, splits)
    counts = drawn["split"].value_counts().sort("split")
    logger.info(
        "split: %s",
        ", ".join(f"{logs.share(count, len(drawn))} {name}" for name, count in counts.iter_rows()),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
