"""Recalibrated risks are right on average, and the line is found again."""

import numpy as np
import pytest
from scipy.special import expit, logit

from behrt.evaluation.recalibration import Recalibration, fit_recalibration


def test_the_line_is_found_again() -> None:
    generator = np.random.default_rng(5)
    scores = generator.uniform(0.01, 0.9, (4000, 20))
    truth = expit(-0.7 + 0.6 * logit(scores))
    labels = generator.random(scores.shape) < truth
    fitted = fit_recalibration(scores, labels)
    assert fitted.intercept == pytest.approx(-0.7, abs=0.05)
    assert fitted.slope == pytest.approx(0.6, abs=0.03)
    assert np.abs(fitted.risks(scores) - truth).max() < 0.02
    # the score equations of the likelihood
    left = labels - fitted.risks(scores)
    assert abs(left.mean()) < 1e-5
    assert abs((left * logit(scores)).mean()) < 1e-4


def test_scores_of_0_and_1_are_taken() -> None:
    risks = Recalibration(-1, 0.5).risks(np.array([[0, 1, 0.5]], dtype=np.float32))
    assert np.isfinite(risks).all()
    assert risks[0, 0] < risks[0, 2] < risks[0, 1] < 1
    assert risks[0, 2] == pytest.approx(expit(-1))


@pytest.mark.parametrize("labels", [np.zeros((3, 2), bool), np.ones((3, 2), bool)])
def test_nothing_to_fit_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="some, and not all"):
        fit_recalibration(np.full((3, 2), 0.5), labels)
    with pytest.raises(ValueError, match="same shape"):
        fit_recalibration(np.full((3, 1), 0.5), labels)
