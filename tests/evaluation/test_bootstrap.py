"""Draws are paired, and give the textbook interval of a mean."""

import numpy as np
import pytest

from behrt.evaluation import bootstrap
from behrt.evaluation.bootstrap import Bootstrap


def all_draws(patients: int, resamples: int, seed: int = 1, name: str = "T1") -> np.ndarray:
    return bootstrap.draws(patients, Bootstrap(resamples, seed), name).T


def test_each_resample_draws_as_many_patients_as_there_are() -> None:
    weights = all_draws(50, 20)
    assert weights.shape == (20, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.15)


def test_draws_depend_on_seed_and_name_only() -> None:
    whole = all_draws(50, 20)
    first = np.random.default_rng([1, *b"T1"]).integers(50, size=50)
    np.testing.assert_array_equal(whole[0], np.bincount(first, minlength=50))
    assert (all_draws(50, 20, seed=2) != whole).any()
    assert (all_draws(50, 20, name="T2") != whole).any()
    np.testing.assert_array_equal(all_draws(50, 20), whole)
    parts = list(bootstrap.drawn_weights(50, Bootstrap(20, 1), "T1", np.float32, at_once=8))
    assert [part.shape for part in parts] == [(50, 8), (50, 8), (50, 4)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_of_all_patients_and_of_each_resample(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_PATIENTS_AT_ONCE", 16)
    values = np.random.default_rng(2).integers(0, 1000, (50, 3)).astype(dtype)
    found = bootstrap.resampled_sums(values.__getitem__, all_draws(50, 20).T)
    np.testing.assert_array_equal(found[:, 0], values.sum(axis=0))
    np.testing.assert_array_equal(found[:, 1:], (all_draws(50, 20) @ values.astype(np.int64)).T)


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
