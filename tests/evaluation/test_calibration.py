"""Calibration against scikit-learn's logistic regression, and under resampling."""

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.calibration import (
    GROUPS,
    Cells,
    assign_cells,
    basis,
    calibrate,
    logistic,
    sums_of_diseases,
)


def made(patients: int, slope: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Return risks and labels, whose true calibration intercept and slope follow from both."""
    random = np.random.default_rng(8)
    true = expit(-2 + 1.3 * random.normal(size=(patients, 6)))
    labels = random.random(true.shape) < true
    return expit((logit(true) - shift) / slope), labels


def measured(risks: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    measures, _ = calibrate(risks, labels, Bootstrap(60, 1), "T2")
    return {row["measure"]: row for row in measures.iter_rows(named=True)}


def test_slope_and_intercept_equal_scikit_learn() -> None:
    risks, labels = made(1500, 1.4, 0.3)
    found = measured(risks, labels)
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(logit(risks).reshape(-1, 1), labels.ravel())
    assert found["slope"]["value"] == pytest.approx(oracle.coef_[0, 0], abs=2e-3)
    assert found["slope"]["low"] < 1.4 < found["slope"]["high"]
    assert found["observed / expected"]["value"] == pytest.approx(
        labels.sum() / risks.sum(), rel=1e-9
    )
    # With the log-odds as offset, the fitted labels add up to those observed.
    intercept = found["intercept"]["value"]
    assert expit(logit(risks) + intercept).sum() == pytest.approx(labels.sum(), rel=1e-4)
    assert found["slope"]["positives"] == labels.sum()


def test_true_risks_are_calibrated() -> None:
    found = measured(*made(4000, 1.0, 0.0))
    for name, right in (("slope", 1.0), ("intercept", 0.0), ("observed / expected", 1.0)):
        assert found[name]["low"] < right < found[name]["high"]
    assert found["ICI"]["value"] < 0.01


def test_the_ici_is_the_distance_to_a_spline_of_scikit_learns() -> None:
    risks, labels = made(1500, 1.5, 0.4)
    x = logit(risks).ravel()
    knots = np.quantile(x[labels.ravel()], [0.05, 0.275, 0.5, 0.725, 0.95])
    design = basis(x, knots)[:, 1:]
    oracle = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(design, labels.ravel())
    distance = np.abs(oracle.predict_proba(design)[:, 1] - risks.ravel())
    found = measured(risks, labels)
    assert found["ICI"]["value"] == pytest.approx(distance.mean(), abs=5e-4)
    assert found["E90"]["value"] == pytest.approx(np.quantile(distance, 0.9), abs=2e-3)


def test_the_spline_is_straight_beyond_its_outer_knots() -> None:
    knots = np.array([-3.0, -2.0, -1.0, 0.0, 1.0])
    for ends in (np.array([-6.0, -5.0, -4.0, -3.0]), np.array([1.0, 2.0, 3.0, 4.0])):
        np.testing.assert_allclose(np.diff(basis(ends, knots), n=2, axis=0), 0, atol=1e-9)
    inside = np.diff(basis(np.linspace(-2, 0, 5), knots), n=2, axis=0)
    assert np.abs(inside[:, 2:]).max() > 1e-3


def test_weights_are_repeated_pairs_and_nothing_learned_is_undefined() -> None:
    random = np.random.default_rng(2)
    design = np.stack([np.ones(40), random.normal(size=40)], axis=1)
    pairs = random.integers(1, 9, (40, 3)).astype(float)
    positives = np.floor(pairs * random.random((40, 3)))
    positives[:, 2] = 0
    found = logistic(design, pairs, positives)
    for r in (0, 1):
        x = np.repeat(design[:, 1], 2)
        y = np.tile([True, False], 40)
        weights = np.stack([positives[:, r], pairs[:, r] - positives[:, r]], axis=1).ravel()
        oracle = LogisticRegression(C=np.inf, tol=1e-9).fit(x.reshape(-1, 1), y, weights)
        np.testing.assert_allclose(
            found[:, r], [oracle.intercept_[0], oracle.coef_[0, 0]], atol=1e-4
        )
    assert np.isnan(found[:, 2]).all()


def test_cells_lose_no_pair_and_no_label() -> None:
    risks, labels = made(100, 1.0, 0.0)
    cell, risk = assign_cells(risks)
    assert (np.diff(risk) > 0).all()
    bootstrap = Bootstrap(20, 1)
    pairs, positives = sums_of_diseases(cell, len(risk), labels, bootstrap, "T2")
    assert pairs[:, 0] @ risk == pytest.approx(risks.sum())
    weights = np.pad(draws(100, bootstrap, "T2"), ((0, 0), (1, 0)), constant_values=1)
    np.testing.assert_array_equal(pairs.sum(axis=0), 600)
    np.testing.assert_array_equal(positives.sum(axis=0), labels.sum(axis=1) @ weights)
    patient = np.repeat(np.arange(100), 6)
    one_by_one = Cells(risks.ravel(), labels.ravel(), patient, 100)
    for dense, sparse in zip((pairs, positives), one_by_one.sums(bootstrap, "T2"), strict=True):
        np.testing.assert_array_equal(dense, sparse)


def test_groups_share_the_expected_labels_and_show_what_came() -> None:
    risks, labels = made(1500, 1.0, 0.0)
    _, points = calibrate(risks, labels, Bootstrap(40, 1), "T2")
    groups = points.filter(pl.col("kind") == "group")
    assert len(groups) == GROUPS
    assert groups["pairs"].sum() == risks.size
    expected = (groups["pairs"] * groups["predicted"]).to_numpy()
    np.testing.assert_allclose(expected, risks.sum() / GROUPS, rtol=0.15)
    observed = (groups["pairs"] * groups["observed"]).sum()
    assert observed == pytest.approx(labels.sum())
    assert (groups["patients_positive"] <= groups["patients"]).all()
    curve = points.filter(pl.col("kind") == "curve")
    assert (curve["low"] <= curve["observed"]).all()
    assert np.abs(curve["predicted"] - curve["observed"]).max() < 0.1  # type: ignore[operator]


def test_without_a_label_nothing_is_claimed() -> None:
    found = measured(np.full((30, 2), 0.2), np.zeros((30, 2), dtype=bool))
    assert found["slope"]["value"] is None
    assert found["observed share"]["value"] == 0
