"""The results of a search of hyper-parameters: its trials, and the best, which training uses."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from behrt.errors import InputError
from behrt.files import read_json, write_json
from behrt.learning.recipe import Recipe

MLM = "mlm"
"""The name of the search for pretraining; other searches have the names of models."""

METRICS = {True: "tuning_aps", False: "tuning_loss"}


@dataclass(frozen=True)
class Trial:
    """One set of hyper-parameters, and its scores on the tuning patients.

    Attributes:
        round, number: its place; the trials of a round do not depend on each other.
        settings, training: the values that were tried.
        metric: "tuning_aps" (higher is better) or "tuning_loss" (lower is better).
        scores: the metric after each epoch.
        pruned: whether it was stopped before its last epoch.
    """

    round: int
    number: int
    settings: dict[str, Any]
    training: dict[str, Any]
    metric: str
    scores: list[float]
    pruned: bool

    @property
    def higher(self) -> bool:
        """Whether a higher value of the metric is better."""
        return self.metric == METRICS[True]

    @property
    def score(self) -> float:
        """The score of its best epoch, which training would choose."""
        return max(self.scores) if self.higher else min(self.scores)


def write_trial(trial: Trial, path: Path) -> None:
    """Write a trial as JSON."""
    write_json(asdict(trial), path)


def read_trials(paths: Sequence[Path]) -> list[Trial]:
    """Read trials, in order of round and number."""
    trials = [Trial(**read_json(path)) for path in paths]
    return sorted(trials, key=lambda trial: (trial.round, trial.number))


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best score among those that completed; of equals, the first.

    Raises:
        InputError: there is none.
    """
    whole = [trial for trial in trials if not trial.pruned]
    if not whole:
        raise InputError("search", "no trial was completed", "Allow more trials or rounds")
    return max(whole, key=lambda trial: trial.score if trial.higher else -trial.score)


def write_chosen(searched: str, trial: Trial, path: Path) -> None:
    """Write the values of the best trial, which `apply_chosen` reads."""
    values = {"settings": trial.settings, "training": trial.training}
    write_json({"searched": searched, **values, trial.metric: trial.score}, path)


def apply_chosen(paths: Sequence[Path], searched: str, recipe: Recipe) -> Recipe:
    """Return a recipe with the values that searches chose in place of the configured ones.

    Args:
        paths: the chosen values; with none the recipe stays as it is.
        searched: the model's name, or `MLM`. From a search for something else (a BEHRT has the
            shape that was found for pretraining) only the settings are taken.
        recipe: as configured.
    """
    for path in paths:
        chosen = read_json(path)
        training = chosen["training"] if chosen["searched"] == searched else {}
        recipe = recipe.changed(chosen["settings"], training)
    return recipe
