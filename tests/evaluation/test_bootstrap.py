"""Draws are paired, bounded in memory, and give the textbook interval of a mean."""

import numpy as np
import pytest

from behrt.evaluation import bootstrap
from behrt.evaluation.bootstrap import Bootstrap


def all_draws(patients: int, resamples: int, seed: int = 1, name: str = "T1") -> np.ndarray:
    return np.concatenate(list(bootstrap.draws(patients, Bootstrap(resamples, seed), name)))


def test_each_resample_draws_as_many_patients_as_there_are() -> None:
    weights = all_draws(50, 20)
    assert weights.shape == (20, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.15)


def test_draws_depend_on_seed_and_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_draws(50, 20)
    monkeypatch.setattr(bootstrap, "_WEIGHTS_AT_ONCE", 150)
    monkeypatch.setattr(bootstrap, "_MOST_KEPT", 999)  # one fewer than 50 patients 20 times
    np.testing.assert_array_equal(all_draws(50, 20), whole)
    assert len(next(bootstrap.draws(50, Bootstrap(20, 1), "T1"))) == 3
    assert (all_draws(50, 20, seed=2) != whole).any()
    assert (all_draws(50, 20, name="T2") != whole).any()


def test_a_mean_is_over_the_patients_who_have_a_value() -> None:
    values = np.random.default_rng(3).random((40, 2))
    values[::3, 1] = np.nan
    resampled = bootstrap.resampled_means(values, Bootstrap(30, 1), "T1")
    for weights, means in zip(all_draws(40, 30), resampled, strict=True):
        rows = np.repeat(np.arange(40), weights.astype(int))
        np.testing.assert_allclose(means, np.nanmean(values[rows], axis=0))


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(5).normal(size=(2000, 1))
    (low,), (high,) = bootstrap.interval(
        bootstrap.resampled_means(values, Bootstrap(2000, 1), "T1")
    )
    error = values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_an_undefined_resample_leaves_no_interval() -> None:
    values = np.full((30, 2), 0.5)
    values[1:, 1] = np.nan
    low, high = bootstrap.interval(bootstrap.resampled_means(values, Bootstrap(200, 1), "T1"))
    np.testing.assert_array_equal(low, [0.5, np.nan])
    np.testing.assert_array_equal(high, [0.5, np.nan])
