"""Train one model for one task, and score every disease for tuning and held-out patients."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.learning.artefacts import discard_checkpoint
from behrt.learning.chosen import apply_chosen
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import model_named
from behrt.sequences.frames import HELD_OUT, TUNING
from behrt.tasks import Task
from behrt.training import TrainingData, train


def main(
    sequences: list[Path],
    examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    scores: Path,
    recipe: Recipe,
    task: Task,
    minimum_visits: int,
    protocol: str,
    compute: Compute,
    pretrained: Path | None = None,
    tuned: Sequence[Path] = (),
) -> None:
    """Train and predict; `weights`, `model_config` and `metrics` are the files of one folder.

    `tuned` holds the values that searches have chosen, which replace the configured ones. Held-out
    patients are read when the training has ended.
    """
    recipe = apply_chosen(tuned, weights.parent.name, recipe)
    data = TrainingData(sequences, vocabulary, task, examples, minimum_visits)
    train(
        recipe,
        data,
        protocol,
        weights.parent,
        compute,
        pretrained=pretrained,
        keep_checkpoint=True,
    )
    logger.info("%s: trained for %s by the %s protocol", recipe.kind, task.name, protocol)
    patients = load_examples(
        sequences, examples, [TUNING, HELD_OUT], vocabulary, task.labelled, recipe.inputs
    )
    run = TrainingRun(weights.parent, compute)
    predicted = model_named(recipe.kind).predict(patients, run)
    write_predictions(patients.subject_id, predicted, scores)
    # If the job ends before, the next one does not train again.
    discard_checkpoint(weights.parent)
    logger.info("%s: %d diseases predicted for %s", recipe.kind, predicted.shape[1], task.name)


if __name__ == "__main__":
    stage.run(main, snakemake)
