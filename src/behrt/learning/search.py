"""Hyper-parameter search with optuna, in rounds of trials that can run at the same time.

The values of a round, and when one of its trials is stopped, depend only on the seed and on the
rounds before. The result therefore does not depend on how many trials run at once or on which ends
first, and an interrupted search resumes. The state of a search is in the files of its trials.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from behrt.errors import InputError
from behrt.learning.chosen import Trial

PARTS = ("settings", "training")
DRAWS = 100
"""Sets of values that a model's settings may refuse before the search stops with an error."""

EPOCHS_BEFORE_PRUNING = 1

optuna.logging.set_verbosity(optuna.logging.WARNING)


def distribution(name: str, described: Any) -> BaseDistribution:
    """Return the distribution that a configuration describes: a list of choices, or a range.

    A range is {low, high}, with both ends included, of whole numbers if both are whole. It is
    uniform, or uniform on the logarithm if `log` is true.

    Raises:
        InputError: the range is empty, or `log` is set and `low` is not above 0.
    """
    if isinstance(described, list):
        return CategoricalDistribution(described)
    low, high, log = described["low"], described["high"], described.get("log", False)
    whole = isinstance(low, int) and isinstance(high, int)
    try:
        return (IntDistribution if whole else FloatDistribution)(low, high, log=log)
    except ValueError as error:
        raise InputError(f"search space, {name}", str(error), "Give low <= high") from None


def _distributions(space: Mapping[str, Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """Return the distributions of a space by "settings.<key>" and "training.<key>"."""
    return {
        f"{part}.{key}": distribution(f"{part}.{key}", described)
        for part in PARTS
        for key, described in space.get(part, {}).items()
    }


def _parts(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for name, value in values.items():
        part, key = name.split(".", 1)
        parts[part][key] = value
    return parts


def _study(
    space: Mapping[str, Mapping[str, Any]], trials: Sequence[Trial], higher: bool, seed: int
) -> optuna.Study:
    """Return a study in memory with these trials."""
    samplers = optuna.samplers
    study = optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=samplers.TPESampler(seed=seed, n_startup_trials=1)
        if trials
        else samplers.RandomSampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=1, n_warmup_steps=EPOCHS_BEFORE_PRUNING
        ),
    )
    distributions = _distributions(space)
    for trial in trials:
        values = {f"settings.{key}": value for key, value in trial.settings.items()}
        values |= {f"training.{key}": value for key, value in trial.training.items()}
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.PRUNED if trial.pruned else TrialState.COMPLETE,
                params=values,
                distributions=distributions,
                value=trial.score,
                intermediate_values=dict(enumerate(trial.scores)),
            )
        )
    return study


def suggest(
    space: Mapping[str, Mapping[str, Any]],
    earlier: Sequence[Trial],
    count: int,
    higher: bool,
    seed: int,
    accepts: Callable[[dict[str, Any], dict[str, Any]], object],
) -> list[dict[str, dict[str, Any]]]:
    """Return the values that the trials of a round try: "settings" and "training" of each.

    Those of the first round are drawn at random, those of later rounds by the tree-structured
    Parzen estimator (Bergstra et al. 2011).

    Args:
        space: "settings" and "training"; for each key, the argument of `distribution`.
        earlier: the trials of all earlier rounds.
        count: trials in the round.
        higher: whether a higher score is better.
        seed: of the run.
        accepts: called with settings and training; raises InputError if a model cannot have them,
            and then others are drawn.

    Raises:
        InputError: the space is not valid, or a model refuses nearly all of it.
    """
    round_number = max((trial.round for trial in earlier), default=-1) + 1
    study = _study(space, earlier, higher, seed + round_number)
    suggested: list[dict[str, dict[str, Any]]] = []
    refused: InputError | None = None
    for _ in range(DRAWS + count):
        if len(suggested) == count:
            return suggested
        trial = study.ask(_distributions(space))
        values = _parts(trial.params)
        try:
            accepts(values["settings"], values["training"])
        except InputError as error:
            refused = error
            study.tell(trial, state=TrialState.FAIL)
        else:
            suggested.append(values)
    if len(suggested) == count:
        return suggested
    raise InputError("search space", f"most of it is refused: {refused}", "Narrow the space")


def pruning(
    space: Mapping[str, Mapping[str, Any]], earlier: Sequence[Trial], higher: bool
) -> Callable[[Sequence[float]], bool]:
    """Return a function of the scores of a trial's epochs: whether the trial should be stopped.

    It should if its best score so far is worse than the median, at that epoch, of the trials of
    earlier rounds (optuna's median pruner; Golovin et al. 2017). The first round is never stopped.
    """

    def unpromising(scores: Sequence[float]) -> bool:
        if not scores or not earlier:
            return False
        trial = _study(space, earlier, higher, 0).ask()
        for epoch, score in enumerate(scores):
            trial.report(score, epoch)
        return bool(trial.should_prune())  # numpy's truth value cannot be written as JSON

    return unpromising
