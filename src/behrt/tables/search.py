"""The trials of a hyper-parameter search."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.learning.chosen import Trial, best_of, read_trials
from behrt.run import Run


def table(run: Run, trials: list[Path], searched: str, task: str) -> pl.DataFrame:
    """Return searched, task String, and the columns of `tabulate`.

    Args:
        run: the run.
        trials: of one search, one JSON file each.
        searched: "mlm" (pretraining) or the name of a model.
        task: whose labels the score is computed on; of pretraining, "MLM".
    """
    return with_facts(tabulate(read_trials(trials)), searched=searched, task=task)


def tabulate(trials: Sequence[Trial]) -> pl.DataFrame:
    """Return one row per trial, in order of round and number.

    Args:
        trials: of one search.

    Returns:
        round, trial Int64, from 1; a column for each value that was tried; epochs Int64, how many
        ran; metric String; score Float64, of the best epoch; outcome String: "whole", "given up",
        or, of one trial, "chosen".
    """
    best = best_of(trials)
    rows = [
        {
            "round": trial.round + 1,
            "trial": trial.number + 1,
            **trial.settings,
            **trial.training,
            "epochs": len(trial.scores),
            "metric": trial.metric,
            "score": round(trial.score, DECIMALS),
            "outcome": ("chosen" if trial is best else "given up" if trial.pruned else "whole"),
        }
        for trial in trials
    ]
    return pl.DataFrame(rows)
