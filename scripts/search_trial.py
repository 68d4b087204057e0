"""Train with one trial's hyper-parameters, judged by the tuning patients; give up if it lags."""

import json
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.files import read_json
from behrt.learning.chosen import METRICS, MLM, Trial, read_trials, write_trial
from behrt.learning.load import load_examples
from behrt.learning.protocol import protocol_named
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings
from behrt.learning.search import pruning
from behrt.logs import logger
from behrt.models import model_named
from behrt.models.behrt import pretrain as pretrain_behrt
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.behrt import Masking


def main(
    sequences: list[Path],
    task: Path,
    vocabulary: Path,
    suggested: Path,
    earlier: list[Path],
    weights: Path,
    model_config: Path,
    metrics: Path,
    trial: Path,
    searched: str,
    kind: str,
    space: dict[str, Any],
    settings: dict[str, Any],
    training: dict[str, Any],
    masking: dict[str, Any],
    round_number: int,
    number: int,
    compute: Compute,
) -> None:
    """Train; `weights`, `model_config`, `metrics` and `trial` are files of one folder.

    Whatever the run's protocol, it learns from training patients and is judged by tuning patients:
    held-out ones have no say in what is chosen.
    """
    tried = read_json(suggested)["trials"][number]
    unpromising = pruning(space, read_trials(earlier), searched != MLM)
    splits = protocol_named("strict")
    labels = None if searched == MLM else task
    train = load_examples(sequences, labels, list(splits.training), vocabulary)
    tuning = load_examples(sequences, labels, list(splits.choosing), vocabulary)
    model = model_named(kind)
    chosen = read_settings(model.Settings, {**settings, **tried["settings"]})
    optimisation = read_settings(Optimisation, {**training, **tried["training"]})
    run = TrainingRun(
        folder=weights.parent,
        compute=compute,
        facts={"kind": kind, "vocabulary": read_vocabulary(vocabulary).version},
        unpromising=unpromising,
    )
    if searched == MLM:
        pretrain_behrt(train, tuning, chosen, read_settings(Masking, masking), optimisation, run)
    else:
        model.fit(train, tuning, chosen, optimisation, None, run)
    metric = METRICS[searched != MLM]
    lines = metrics.read_text(encoding="utf-8").splitlines()
    scores = [json.loads(line)[metric] for line in lines]
    pruned = len(scores) < optimisation.epochs and unpromising(scores)
    done = Trial(round_number, number, **tried, metric=metric, scores=scores, pruned=pruned)
    write_trial(done, trial)
    ending = "given up" if pruned else "whole"
    logger.info("%s: %d epochs, %s: %s %.4f", searched, len(scores), ending, metric, done.score)


if __name__ == "__main__":
    stage.run(main, snakemake)
