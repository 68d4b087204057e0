"""Train one model on one outcome, and predict for the tuning and the held-out patients."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt import logs, stage
from behrt.files import write_parquet
from behrt.learning.chosen import apply_chosen
from behrt.learning.outcomes import few_labels, load_outcome
from behrt.learning.protocol import protocol_named
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.outcome_models import outcome_model
from behrt.outcomes.diseases import phenotypes_of
from behrt.sequences.frames import HELD_OUT, TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.training import facts_of_words


def main(
    sequences: list[Path],
    labels: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    predictions: Path,
    recipe: Recipe,
    outcome: str,
    diseases: list[str],
    number: int | None,
    protocol: str,
    compute: Compute,
    pretrained: Path | None = None,
    tuned: Sequence[Path] = (),
) -> None:
    """Train and predict.

    `weights`, `model_config` and `metrics` are files of one folder. `number` of the predictions of
    training patients are learned from, and the same share of the others that choose; None for all.
    `tuned` holds the values that searches have chosen, which replace the configured ones.
    """
    recipe = apply_chosen(tuned, weights.parent.name, recipe)
    words, splits = read_vocabulary(vocabulary), protocol_named(protocol)
    everybody = load_outcome(sequences, labels, vocabulary, recipe.inputs)
    learned, choosing = (everybody.of(some) for some in (splits.training, splits.choosing))
    if number is not None:
        share = min(number / len(learned), 1.0)
        learned, choosing = (few_labels(part, share, compute.seed) for part in (learned, choosing))
    kind = outcome_model(recipe.kind)
    settings, optimisation = recipe.read(kind.Settings)
    facts = {
        "kind": recipe.kind,
        "outcome": outcome,
        "protocol": protocol,
        **facts_of_words(words, recipe.inputs),
        "labels": str(number or "all"),
    }
    run = TrainingRun(weights.parent, compute, facts=facts)
    indices = phenotypes_of(diseases, words.phenotypes, f"outcomes.{outcome}")
    kind.fit(learned, choosing, settings, optimisation, pretrained, indices, run)
    given = everybody.of([TUNING, HELD_OUT])
    probability = kind.predict(given, run)
    write_parquet(
        pl.DataFrame(
            {
                "subject_id": given.examples.subject_id,
                "prediction_time": given.prediction_time,
                "boolean_value": given.label,
                "predicted_boolean_probability": probability.astype(np.float64),
                "split": given.split,
                "weight": given.weight,
            }
        ),
        predictions,
    )
    patients = logs.count(learned.examples.n_subjects)
    logger.info("%s: trained for %s on %s patients", recipe.kind, outcome, patients)


if __name__ == "__main__":
    stage.run(main, snakemake)
