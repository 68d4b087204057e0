"""Score every disease for the tuning and held-out patients of one task with one model."""

from pathlib import Path

from behrt import stage
from behrt.learning.artefacts import check_vocabulary, inputs_of
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import model_named
from behrt.sequences.frames import HELD_OUT, TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def main(
    sequences: list[Path],
    examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    scores: Path,
    kind: str,
    task: Task,
    compute: Compute,
) -> None:
    """Predict; `weights` and `model_config` are files of one folder."""
    check_vocabulary(weights.parent, read_vocabulary(vocabulary).version)
    patients = load_examples(
        sequences,
        examples,
        [TUNING, HELD_OUT],
        vocabulary,
        task.labelled,
        inputs_of(weights.parent),
    )
    predicted = model_named(kind).predict(patients, TrainingRun(weights.parent, compute))
    write_predictions(patients.subject_id, predicted, scores)
    logger.info("%s: %d diseases predicted for %s", kind, predicted.shape[1], task.name)


if __name__ == "__main__":
    stage.run(main, snakemake)
