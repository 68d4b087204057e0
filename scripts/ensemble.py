"""Predict with a weighted mean of other models' predictions, whose weights are chosen here."""

from pathlib import Path

from behrt import stage
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.protocol import protocol_named
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import ensemble
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.ensemble import Settings
from behrt.tasks import Task


def main(
    members: list[Path],
    sequences: list[Path],
    examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    scores: Path,
    settings: Settings,
    task: Task,
    protocol: str,
    compute: Compute,
) -> None:
    """Predict; `weights`, `model_config` and `metrics` are the three files of one folder.

    `members` are files of predictions, in the order of `settings.of`.
    """
    splits = list(protocol_named(protocol).choosing)
    choosing = load_examples(sequences, examples, splits, vocabulary, task.labelled)
    facts = {
        "kind": "ensemble",
        "task": task.name,
        "protocol": protocol,
        "vocabulary": read_vocabulary(vocabulary).version,
    }
    run = TrainingRun(weights.parent, compute, facts=facts)
    subject_id, predicted = ensemble.read_members(members)
    chosen = ensemble.fit(predicted, subject_id, choosing, settings, run)
    write_predictions(subject_id, ensemble.pooled(predicted, chosen), scores)
    named = zip(settings.of, chosen, strict=True)
    logger.info(
        "ensemble for %s: %s",
        task.name,
        ", ".join(f"{member} {weight:.2f}" for member, weight in named),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
