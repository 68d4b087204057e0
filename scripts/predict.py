"""Score every disease for the tuning and held-out patients of one task, by one model."""

from pathlib import Path

from behrt import stage
from behrt.learning.artefacts import check_vocabulary
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import model_named
from behrt.sequences.vocabulary import read_vocabulary


def main(
    sequences: list[Path],
    task: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    scores: Path,
    kind: str,
    compute: Compute,
    labelled: bool,
    task_name: str,
) -> None:
    """Predict; `weights` and `model_config` are files of one folder."""
    check_vocabulary(weights.parent, read_vocabulary(vocabulary).version)
    examples = load_examples(sequences, task, ["tuning", "held_out"], vocabulary, labelled)
    run = TrainingRun(weights.parent, compute)
    predicted = model_named(kind).predict(examples, run)
    write_predictions(examples.subject_id, predicted, scores)
    logger.info("%s: %d diseases predicted for %s", kind, predicted.shape[1], task_name)


if __name__ == "__main__":
    stage.run(main, snakemake)
