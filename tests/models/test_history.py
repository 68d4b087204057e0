"""Carry-forward by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.run import Compute, TrainingRun, read_settings
from behrt.models import history

Build = Callable[..., Examples]


def test_shares_with_and_without_the_disease_in_the_history(
    build_examples: Build, tmp_path: Path
) -> None:
    train = build_examples(
        [
            (1, [(0, [0]), (9, [0])], [0]),
            (1, [(0, [0, 1])], [0, 1]),
            (1, [(0, [0])], [2]),
            (2, [(0, [1])], [0]),
            (2, [(0, [2])], [3]),
        ]
    )
    run = TrainingRun(tmp_path, Compute(1))
    history.fit(train, train, history.Settings(pseudo_patients=2), None, None, run)
    scores = history.predict(train, run)
    assert scores.dtype == np.float32
    # Disease 0: a label of 3 of 5, of 2 of the 3 who had it, of 1 of the 2 who had not.
    assert scores[0, 0] == pytest.approx((2 + 2 * 0.6) / (3 + 2))
    assert scores[3, 0] == pytest.approx((1 + 2 * 0.6) / (2 + 2))
    # Disease 3, in no history: smoothing leaves those who have it at the prevalence.
    newcomer = build_examples([(1, [(0, [3])], [])])
    assert history.predict(newcomer, run)[0, 3] == pytest.approx(0.2)
    assert scores[0, 3] == pytest.approx((1 + 2 * 0.2) / (5 + 2))
    # Disease 11 is seen nowhere.
    assert scores[0, 11] == 0


def test_chunks_change_nothing(
    build_examples: Build, draw_patients: Callable[..., list], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = build_examples(draw_patients(50, 1))
    whole = history.rates(train, 1.0)
    monkeypatch.setattr(history, "CHUNK", 7)
    for one, other in zip(whole, history.rates(train, 1.0), strict=True):
        assert np.array_equal(one, other)


def test_the_prevalence_must_weigh_something() -> None:
    with pytest.raises(InputError):
        read_settings(history.Settings, {"pseudo_patients": 0})
