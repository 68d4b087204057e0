"""Draw one task's examples from all shards of sequences."""

from datetime import date
from pathlib import Path

from behrt import logs, stage
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sequences.tasks import draw_task
from behrt.tasks import Task


def main(
    sequences: list[Path],
    examples: Path,
    task: Task,
    minimum_visits: int,
    seed: int,
    cut_off: str | None,
) -> None:
    drawn = draw_task(
        sequences,
        task,
        minimum_visits,
        seed,
        date.fromisoformat(cut_off) if cut_off else None,
    )
    write_parquet(drawn, examples)
    logger.info(
        "%s: %s input visits per patient; %s of the eligible patients have a label",
        task.name,
        logs.mean(drawn["input_visits"].to_numpy(), ".1f"),
        logs.share(int((drawn["label"].list.len() > 0).sum()), drawn.height),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
