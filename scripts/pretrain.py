"""Pretrain an encoder, by masked language modelling or by forecasting."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.learning.chosen import apply_chosen
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute
from behrt.settings.behrt import Pretraining
from behrt.training import TrainingData, train


def main(
    sequences: list[Path],
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    recipe: Recipe,
    pretraining: Pretraining,
    masking: dict[str, Any],
    protocol: str,
    compute: Compute,
    tuned: Sequence[Path] = (),
) -> None:
    """Pretrain; `weights`, `model_config` and `metrics` are the three files of one folder.

    `tuned` holds the values that searches have chosen, which replace the configured ones. Those of
    the search for MLM have the sizes for both.
    """
    recipe = apply_chosen(tuned, pretraining, recipe)
    data = TrainingData(sequences, vocabulary, pretraining=pretraining)
    train(recipe, data, protocol, weights.parent, compute, masking=masking)


if __name__ == "__main__":
    stage.run(main, snakemake)
