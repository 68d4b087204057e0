"""Train one model for one task."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.learning.chosen import apply_chosen
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute
from behrt.logs import logger
from behrt.tasks import Task
from behrt.training import TrainingData, train


def main(
    sequences: list[Path],
    examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    recipe: Recipe,
    task: Task,
    minimum_visits: int,
    protocol: str,
    compute: Compute,
    pretrained: Path | None = None,
    tuned: Sequence[Path] = (),
) -> None:
    """Train; `weights`, `model_config` and `metrics` are the three files of one folder.

    `tuned` holds the values that searches have chosen, which replace the configured ones.
    """
    recipe = apply_chosen(tuned, weights.parent.name, recipe)
    data = TrainingData(sequences, vocabulary, task, examples, minimum_visits)
    train(recipe, data, protocol, weights.parent, compute, pretrained=pretrained)
    logger.info("%s: trained for %s by the %s protocol", recipe.kind, task.name, protocol)


if __name__ == "__main__":
    stage.run(main, snakemake)
