"""Train one model once, for all tasks."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute
from behrt.logs import logger
from behrt.tasks import Task
from behrt.training import train_jointly


def main(
    sequences: list[Path],
    examples: list[Path],
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    recipe: Recipe,
    tasks: list[Task],
    protocol: str,
    compute: Compute,
    events: Sequence[Path] = (),
) -> None:
    """Train; `weights`, `model_config` and `metrics` are the three files of one folder."""
    train_jointly(
        recipe, sequences, vocabulary, tasks, examples, protocol, weights.parent, compute, events
    )
    names = ", ".join(task.name for task in tasks)
    logger.info("%s: trained for %s by the %s protocol", recipe.kind, names, protocol)


if __name__ == "__main__":
    stage.run(main, snakemake)
