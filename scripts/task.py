"""Draw one task's examples from all shards of sequences."""

from pathlib import Path

from behrt import stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sequences.tasks import draw_task


def main(
    sequences: list[Path],
    examples: Path,
    task: str,
    months: int | None,
    minimum_visits: int,
    seed: int,
) -> None:
    drawn = draw_task(sequences, task, months, minimum_visits, seed)
    write_parquet(drawn, examples)
    logger.info(
        "%s: %.1f input visits a patient, %.1f%% of eligible patients have a label",
        task,
        drawn["input_visits"].to_numpy().mean(),
        100 * (drawn["label"].list.len() > 0).to_numpy().mean(),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
