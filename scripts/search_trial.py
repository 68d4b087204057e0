"""Train with one trial's hyper-parameters and score it on the tuning patients; stop if it lags."""

import json
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.files import read_json
from behrt.learning.chosen import METRICS, MLM, Trial, read_trials, write_trial
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute
from behrt.learning.search import pruning
from behrt.logs import logger
from behrt.tasks import Task
from behrt.training import TrainingData, train


def main(
    sequences: list[Path],
    examples: Path,
    vocabulary: Path,
    suggested: Path,
    earlier: list[Path],
    weights: Path,
    model_config: Path,
    metrics: Path,
    trial: Path,
    searched: str,
    recipe: Recipe,
    space: dict[str, Any],
    task: Task,
    minimum_visits: int,
    masking: dict[str, Any],
    round_number: int,
    number: int,
    compute: Compute,
) -> None:
    """Train; `weights`, `model_config`, `metrics` and `trial` are files of one folder.

    Under either protocol of the run, a trial learns from training patients and is scored on
    tuning patients, so held-out patients have no influence on what is chosen.
    """
    tried = read_json(suggested)["trials"][number]
    recipe = recipe.changed(tried["settings"], tried["training"])
    unpromising = pruning(space, read_trials(earlier), searched != MLM)
    predicted = None if searched == MLM else task
    data = TrainingData(sequences, vocabulary, predicted, examples, minimum_visits)
    train(
        recipe,
        data,
        "strict",
        weights.parent,
        compute,
        masking=masking,
        unpromising=unpromising,
    )
    metric = METRICS[searched != MLM]
    lines = metrics.read_text(encoding="utf-8").splitlines()
    scores = [json.loads(line)[metric] for line in lines]
    pruned = len(scores) < (recipe.training or {})["epochs"] and unpromising(scores)
    done = Trial(round_number, number, **tried, metric=metric, scores=scores, pruned=pruned)
    write_trial(done, trial)
    ending = "stopped early" if pruned else "complete"
    logger.info("%s: %d epochs, %s: %s %.4f", searched, len(scores), ending, metric, done.score)


if __name__ == "__main__":
    stage.run(main, snakemake)
