"""What a search of hyper-parameters has found: its trials, and the best for training to take."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from behrt.errors import InputError
from behrt.files import read_json, write_json

MLM = "mlm"
"""The name under which pretraining is searched; other names are of models."""

METRICS = {True: "tuning_aps", False: "tuning_loss"}


@dataclass(frozen=True)
class Trial:
    """One set of hyper-parameters, and how it did on the tuning patients.

    Attributes:
        round, number: its place; the trials of a round know nothing of each other.
        settings, training: the values that were tried.
        metric: what was judged: "tuning_aps" (higher is better) or "tuning_loss" (lower is).
        scores: the metric after each epoch.
        pruned: whether it was given up before its last epoch.
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
        """Whether more of the metric is better."""
        return self.metric == METRICS[True]

    @property
    def score(self) -> float:
        """The best of its epochs, which is the one that training would choose."""
        return max(self.scores) if self.higher else min(self.scores)


def write_trial(trial: Trial, path: Path) -> None:
    """Write a trial as JSON."""
    write_json(asdict(trial), path)


def read_trials(paths: Sequence[Path]) -> list[Trial]:
    """Read trials, in order of round and number."""
    trials = [Trial(**read_json(path)) for path in paths]
    return sorted(trials, key=lambda trial: (trial.round, trial.number))


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best score among those that ran to their end, the first of equals.

    Raises:
        InputError: there is none.
    """
    whole = [trial for trial in trials if not trial.pruned]
    if not whole:
        raise InputError("search", "no trial ran to its end", "Allow more trials or rounds")
    return max(whole, key=lambda trial: trial.score if trial.higher else -trial.score)


def write_chosen(searched: str, trial: Trial, path: Path) -> None:
    """Write the values of the best trial, which `apply_chosen` reads."""
    values = {"settings": trial.settings, "training": trial.training}
    write_json({"searched": searched, **values, trial.metric: trial.score}, path)


def apply_chosen(
    paths: Sequence[Path], searched: str, settings: dict[str, Any], training: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return settings and training with the values that searches chose on top.

    Args:
        paths: the chosen values; none leave both as they are.
        searched: what they are wanted for. Of values that were searched for something else (a
            BEHRT has the shape that was found for pretraining), the settings alone are taken.
        settings, training: as configured.
    """
    for path in paths:
        chosen = read_json(path)
        settings = {**settings, **chosen["settings"]}
        if training is not None and chosen["searched"] == searched:
            training = {**training, **chosen["training"]}
    return settings, training
