"""Recalibration finds what was done to the risks, and shrinks where little is known."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from behrt.errors import InputError
from behrt.evaluation.recalibration import (
    Recalibration,
    fit_recalibration,
    log_odds,
    write_recalibrations,
)
from behrt.files import read_json


def risks(patients: int, prevalences: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return true risks around some prevalences, and labels that follow them."""
    random = np.random.default_rng(seed)
    true = expit(logit(np.array(prevalences)) + random.normal(size=(patients, len(prevalences))))
    return true, random.random(true.shape) < true


def test_without_differences_between_diseases_it_is_a_logistic_regression() -> None:
    true, labels = risks(4000, [0.1] * 5, 2)
    given = expit(1.5 * logit(true) - 0.4)
    found = fit_recalibration(given, labels)
    oracle = LogisticRegression(C=np.inf).fit(log_odds(given).reshape(-1, 1), labels.ravel())
    assert found.slope == pytest.approx(oracle.coef_[0, 0], abs=1e-3)
    assert found.spread < 0.1
    assert np.mean(found.intercepts) == pytest.approx(oracle.intercept_[0], abs=0.03)


def test_what_was_done_to_each_disease_is_undone() -> None:
    true, labels = risks(20_000, [0.05, 0.1, 0.2, 0.1, 0.05, 0.2], 3)
    shift = np.array([0.8, -0.8, 0.5, -0.5, 1.0, -1.0])
    found = fit_recalibration(expit(0.7 * logit(true) + shift), labels)
    assert found.slope == pytest.approx(1 / 0.7, abs=0.05)
    recalibrated = found.risks(expit(0.7 * logit(true) + shift))
    np.testing.assert_allclose(recalibrated.mean(axis=0), labels.mean(axis=0), rtol=0.02)
    assert np.abs(recalibrated - true).mean() < 0.01


def test_a_rare_disease_is_shrunk_and_a_common_one_is_not() -> None:
    true, labels = risks(3000, [0.2, 0.2, 0.2, 0.2, 0.2, 0.0005], 5)
    labels[:, 5] = False
    shift = np.array([0.6, -0.6, 0.3, -0.3, 0.0, 0.0])
    found = fit_recalibration(expit(logit(true) + shift), labels)
    offsets = np.array(found.intercepts) - found.intercepts[4]
    np.testing.assert_allclose(offsets[:5], -shift[:5], atol=0.2)
    assert -1 < offsets[5] < 0.3  # nobody has it: alone, its intercept would be infinite


def test_scores_alike_for_all_patients_are_allowed() -> None:
    labels = np.random.default_rng(1).random((200, 3)) < 0.3
    recalibrated = fit_recalibration(np.full((200, 3), 0.1), labels).risks(np.full((200, 3), 0.1))
    assert recalibrated.mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_certainty_is_bounded() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 1.0], dtype=np.float32))).all()


def test_labels_all_alike_are_refused() -> None:
    with pytest.raises(InputError, match="all their labels are equal"):
        fit_recalibration(np.full((5, 2), 0.5), np.zeros((5, 2), dtype=bool))


def test_recalibrations_are_written_without_rounding(tmp_path: Path) -> None:
    path = tmp_path / "recalibration.json"
    write_recalibrations({"a": Recalibration(1.25, (0.1, -1 / 3), 0.5)}, path)
    assert read_json(path) == {"a": {"slope": 1.25, "intercepts": [0.1, -1 / 3], "spread": 0.5}}


def test_scores_of_0_and_1_are_taken() -> None:
    risks = Recalibration(0.5, (-1.0, -1.0, -1.0), 0.0).risks(np.array([[0, 1, 0.5]], np.float32))
    assert np.isfinite(risks).all()
    assert risks[0, 0] < risks[0, 2] < risks[0, 1] < 1
    assert risks[0, 2] == pytest.approx(expit(-1))
