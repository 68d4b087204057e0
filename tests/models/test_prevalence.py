"""The prevalence row by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from behrt.errors import InputError
from behrt.files import read_json
from behrt.learning.examples import Examples
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.models import prevalence

Build = Callable[..., Examples]


def test_everybody_gets_the_training_prevalence(build_examples: Build, tmp_path: Path) -> None:
    train = build_examples(
        [(1, [(0, [2])], [0]), (1, [(0, [2])], [0, 1]), (1, [(0, [2])], [0]), (2, [(0, [1])], [3])]
    )
    tuning = build_examples([(1, [(0, [2])], [0]), (1, [(0, [2])], [1])])
    run = TrainingRun(tmp_path, Compute(1))
    prevalence.fit(train, tuning, prevalence.Settings(), None, None, run)
    scores = prevalence.predict(tuning, run)
    assert scores.dtype == np.float32
    assert scores.tolist() == [[0.75, 0.25, 0, 0.25] + [0] * 8] * 2
    assert read_json(tmp_path / "config.json")["n_diseases"] == 12
    # The first is ranked first; the second shares ranks two and three.
    metrics = read_json(tmp_path / "metrics.jsonl")
    assert metrics["tuning_aps"] == pytest.approx((1 + 1 / 3) / 2)
    assert metrics["tuning_auroc"] == pytest.approx((1 + 9.5 / 11) / 2)


def test_there_is_nothing_to_train(build_examples: Build, tmp_path: Path) -> None:
    train = build_examples([(1, [(0, [2])], [0])])
    run = TrainingRun(tmp_path, Compute(1))
    training = Optimisation(epochs=1, batch_size=1, learning_rate=1.0)
    with pytest.raises(InputError, match="training"):
        prevalence.fit(train, train, prevalence.Settings(), training, None, run)
    with pytest.raises(InputError, match="pretrained"):
        prevalence.fit(train, train, prevalence.Settings(), None, tmp_path, run)
