"""The search: rounds depend only on the seed and earlier rounds; pruning by hand."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from behrt.errors import InputError
from behrt.learning.chosen import (
    Trial,
    apply_chosen,
    best_of,
    read_trials,
    write_chosen,
    write_trial,
)
from behrt.learning.recipe import Recipe
from behrt.learning.search import distribution, pruning, suggest

SPACE: dict[str, dict[str, Any]] = {
    "settings": {"size": [8, 16, 32], "depth": {"low": 1, "high": 4}},
    "training": {"learning_rate": {"low": 1e-4, "high": 1.0, "log": True}},
}


def anything(settings: dict[str, Any], training: dict[str, Any]) -> None:
    """Accept all values."""


def loss(values: dict[str, dict[str, Any]]) -> float:
    """Return a loss that is least, 0, at a rate of 0.01 and a depth of 3."""
    rate = math.log10(values["training"]["learning_rate"]) + 2
    return rate**2 + 0.2 * (values["settings"]["depth"] - 3) ** 2


def tried(round_number: int, suggested: list[dict[str, dict[str, Any]]]) -> list[Trial]:
    return [
        Trial(round_number, i, **values, metric="tuning_loss", scores=[loss(values)], pruned=False)
        for i, values in enumerate(suggested)
    ]


def course(rounds: int, count: int, seed: int) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(rounds):
        trials += tried(number, suggest(SPACE, trials, count, False, seed, anything))
    return trials


def test_a_description_is_a_choice_or_a_range() -> None:
    assert distribution("a", [3, 5]).choices == (3, 5)  # type: ignore[attr-defined]
    whole = distribution("a", {"low": 1, "high": 4})
    assert (type(whole).__name__, whole.low, whole.high) == ("IntDistribution", 1, 4)  # type: ignore[attr-defined]
    share = distribution("a", {"low": 0, "high": 0.5})
    assert type(share).__name__ == "FloatDistribution"
    for wrong in ({"low": 2, "high": 1}, {"low": 0.0, "high": 1.0, "log": True}):
        with pytest.raises(InputError, match="search space, a"):
            distribution("a", wrong)


def test_a_round_stays_in_its_space_and_depends_only_on_its_arguments() -> None:
    trials = course(3, 5, seed=1)
    for trial in trials:
        assert trial.settings["size"] in (8, 16, 32)
        assert trial.settings["depth"] in (1, 2, 3, 4)
        assert 1e-4 <= trial.training["learning_rate"] <= 1
    rates = {trial.training["learning_rate"] for trial in trials}
    assert len(rates) == 15
    assert course(3, 5, seed=1) == trials
    assert course(3, 5, seed=2) != trials
    other = [replace(trial, scores=[-trial.score]) for trial in trials[:10]]
    assert suggest(SPACE, other, 5, False, 1, anything) != [
        {"settings": trial.settings, "training": trial.training} for trial in trials[10:]
    ]


def test_another_process_suggests_the_same() -> None:
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import test_search as t\n"
        "print(json.dumps([[x.settings, x.training] for x in t.course(3, 4, 5)]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    assert json.loads(output) == [[trial.settings, trial.training] for trial in course(3, 4, 5)]


def test_later_rounds_are_better_than_random_ones() -> None:
    """Over seeds, the last of four rounds has a lower loss than the first, which is random."""
    losses = np.array([[trial.score for trial in course(4, 6, seed)] for seed in range(6)])
    first, last = losses[:, :6].mean(axis=1), losses[:, -6:].mean(axis=1)
    assert (last < first).sum() >= 5
    assert last.mean() < 0.8 * first.mean()


def test_what_a_model_refuses_is_drawn_again() -> None:
    def odd(settings: dict[str, Any], training: dict[str, Any]) -> None:
        if settings["depth"] % 2 == 0:
            raise InputError("depth", "it is even", "Make it odd")

    drawn = suggest(SPACE, [], 20, True, 3, odd)
    assert len(drawn) == 20
    assert {values["settings"]["depth"] for values in drawn} == {1, 3}
    even = {"settings": {"depth": [2, 4]}}
    with pytest.raises(InputError, match=r"most of it is refused: depth: it is even"):
        suggest(even, [], 2, True, 3, odd)


def test_a_trial_below_the_median_is_stopped() -> None:
    values: dict[str, Any] = {
        "settings": {"size": 8, "depth": 1},
        "training": {"learning_rate": 0.1},
    }
    curves = ([0.1, 0.2, 0.3], [0.1, 0.4, 0.5], [0.1, 0.3, 0.4])
    earlier = [
        Trial(0, i, **values, metric="tuning_aps", scores=list(curve), pruned=False)
        for i, curve in enumerate(curves)
    ]
    higher = pruning(SPACE, earlier, higher=True)
    # Medians after epochs 1, 2, 3: 0.1, 0.3, 0.4. Nothing is judged by its first epoch.
    assert not higher([])
    assert not higher([0.0])
    assert higher([0.0, 0.29]) is True  # Python's own, as the trial is written as JSON
    assert not higher([0.0, 0.31])
    assert not higher([0.0, 0.31, 0.41])
    assert higher([0.0, 0.31, 0.39])
    assert not pruning(SPACE, [], higher=True)([0.0, 0.0])
    lower = pruning(SPACE, [replace(t, metric="tuning_loss") for t in earlier], higher=False)
    assert lower([0.5, 0.31])
    assert not lower([0.5, 0.29])


def test_the_best_completed_trial_is_chosen(tmp_path: Path) -> None:
    a = Trial(0, 0, {"size": 8}, {}, "tuning_aps", [0.3, 0.2], False)
    b = Trial(0, 1, {"size": 16}, {"learning_rate": 0.1}, "tuning_aps", [0.1, 0.35, 0.3], False)
    c = Trial(1, 0, {"size": 32}, {}, "tuning_aps", [0.9], True)
    assert best_of([a, b, c]) is b
    assert best_of([replace(b, number=0), b]).number == 0
    losses = [replace(trial, metric="tuning_loss") for trial in (a, b, c)]
    assert best_of(losses).settings == {"size": 16}
    with pytest.raises(InputError, match="no trial"):
        best_of([c])
    paths = [tmp_path / "b.json", tmp_path / "c.json", tmp_path / "a.json"]
    for trial, path in zip((b, c, a), paths, strict=True):
        write_trial(trial, path)
    assert read_trials(paths) == [a, b, c]


def test_chosen_values_replace_configured_ones(tmp_path: Path) -> None:
    recipe = Recipe("deepr", {"size": 4, "depth": 2}, {"epochs": 9, "learning_rate": 1.0})
    assert apply_chosen([], "deepr", recipe) == recipe
    best = Trial(0, 1, {"size": 16}, {"learning_rate": 0.1}, "tuning_aps", [0.5], False)
    write_chosen("deepr", best, tmp_path / "chosen.json")
    tuned = Recipe("deepr", {"size": 16, "depth": 2}, {"epochs": 9, "learning_rate": 0.1})
    assert apply_chosen([tmp_path / "chosen.json"], "deepr", recipe) == tuned
    shaped = replace(tuned, training=recipe.training)
    assert apply_chosen([tmp_path / "chosen.json"], "behrt", recipe) == shaped
