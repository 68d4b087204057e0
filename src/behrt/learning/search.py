"""Hyper-parameter search by optuna, in rounds of trials that run side by side.

What a round tries depends on the seed and on finished rounds alone, and so does when a trial is
given up. So the outcome does not depend on how many trials run at once, nor on which ends first,
and an interrupted search goes on where it was. All that a search knows is in its trials' files.
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
"""Sets of values that a model's settings may refuse before its space is called impossible."""

EPOCHS_BEFORE_PRUNING = 1

optuna.logging.set_verbosity(optuna.logging.WARNING)


def distribution(name: str, described: Any) -> BaseDistribution:
    """Return what a configuration describes: a list of choices, or a range.

    A range is {low, high} with both ends in it, of whole numbers if both are whole, drawn evenly,
    or evenly on the logarithm if `log` is true.

    Raises:
        InputError: the range is empty, or a logarithm is asked for where there is none.
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
    """Return a study in memory that has seen these trials."""
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
    """Return the values that a round's trials try: "settings" and "training" of each.

    The first round is drawn at random, later ones by the tree-structured Parzen estimator
    (Bergstra et al. 2011).

    Args:
        space: "settings" and "training", each by key what `distribution` reads.
        earlier: the trials of all rounds before.
        count: trials in the round.
        higher: whether a higher score is better.
        seed: decides all.
        accepts: is called with settings and training, and raises InputError if a model cannot
            have them; others are drawn then.

    Raises:
        InputError: the space is wrong, or a model can have hardly anything in it.
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
    """Return what says, of the scores of a trial's epochs so far, whether to give it up.

    It is given up if the best so far is worse than the median, at that epoch, of the trials of
    earlier rounds (optuna's median pruner; Golovin et al. 2017). The first round runs to its end.
    """

    def unpromising(scores: Sequence[float]) -> bool:
        if not scores or not earlier:
            return False
        trial = _study(space, earlier, higher, 0).ask()
        for epoch, score in enumerate(scores):
            trial.report(score, epoch)
        return bool(trial.should_prune())  # numpy's would not go into JSON

    return unpromising
