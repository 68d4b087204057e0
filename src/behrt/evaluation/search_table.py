"""The trials of a hyper-parameter search as a table."""

from collections.abc import Sequence

import polars as pl

from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.learning.chosen import Trial, best_of


def tabulate(trials: Sequence[Trial], searched: str, task: str, data: str) -> pl.DataFrame:
    """Return one row a trial, in order of round and number.

    Args:
        trials: of one search.
        searched: what was searched.
        task: whose labels judged it; for pretraining, "MLM".
        data: printed in every row.

    Returns:
        data, searched, task String; round, trial Int64, from 1; a column for each value that was
        tried; epochs Int64, how many ran; metric String; score Float64, of the best epoch;
        outcome String: "whole", "given up", or, of one trial, "chosen".
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
    return with_facts(pl.DataFrame(rows), data=data, searched=searched, task=task)
