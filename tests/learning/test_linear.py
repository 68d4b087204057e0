"""The regressions against scikit-learn's, the features by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from behrt.errors import InputError
from behrt.learning import features, linear
from behrt.learning.examples import Examples
from behrt.learning.run import read_settings
from behrt.models import logistic_regression


@pytest.fixture(scope="module")
def small() -> ModuleType:
    path = Path(__file__).parents[1] / "models" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_examples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def train(small: ModuleType) -> Examples:
    drawn: Examples = small.build(small.draw(300, 1))
    return drawn


def test_features_by_hand(small: ModuleType) -> None:
    examples = small.build([(2, [(0, [1, 3]), (400, [3])], []), (0, [(14_000, [0])], [])])
    assert features.counts(examples).toarray().tolist() == [
        [0, 1, 0, 2] + [0] * 8,
        [1] + [0] * 11,
    ]
    # 600 months and 13 more: ages of the last visits; 1066 months are 88 years.
    assert features.ages(examples).tolist() == [613, 1066]
    people = features.demographics(examples).toarray()
    assert people.shape == (2, 25)
    assert [np.flatnonzero(row).tolist() for row in people] == [[2, 3 + 10], [0, 3 + 17]]
    with pytest.raises(InputError, match="no visit"):
        features.ages(small.build([(1, [], [])]))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("penalty", [0.5, 20.0])
def test_equals_scikit_learn(
    train: Examples, dense: bool, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "LEAST_DECREASE", 1e-10)
    monkeypatch.setattr(linear, "CHUNK", 77)
    counted: Any = features.counts(train)
    weight, bias = linear.logistic(counted.toarray() if dense else counted, train, penalty)
    labels = train.label_matrix(np.arange(len(train)))
    for disease in (9, 10, 11):
        other = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000)
        other.fit(counted.toarray(), labels[:, disease])
        np.testing.assert_allclose(weight[:, disease], other.coef_[0], atol=5e-3)
        np.testing.assert_allclose(bias[disease], other.intercept_[0], atol=5e-3)
    # A disease that is never a label stays as rare as half a patient.
    scores = expit(counted @ weight + bias)
    assert scores[:, 0].max() <= 0.5 / len(train) * 1.01


def test_another_start_ends_at_the_same_place(
    train: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "LEAST_DECREASE", 1e-10)
    counted = features.counts(train)
    weight, bias = linear.logistic(counted, train, 100.0)
    start = np.concatenate([weight, bias[None]])
    there, _ = linear.logistic(counted, train, 1.0, start)
    directly, _ = linear.logistic(counted, train, 1.0)
    np.testing.assert_allclose(there, directly, atol=5e-3)


def test_the_tuning_patients_choose_the_penalty(small: ModuleType, train: Examples) -> None:
    tuning = small.build(small.draw(100, 2))
    head = linear.fit_head(features.counts, train, tuning, (1e6, 1.0))
    assert head["head.penalty"].item() == 1.0
    # Labels that contradict those of training are served best by who learns the least.
    contrary = small.build(
        [(sex, visits, [20 - label[0]]) for sex, visits, label in small.draw(99, 3)]
    )
    assert (
        linear.fit_head(features.counts, train, contrary, (1e6, 1.0))["head.penalty"].item() == 1e6
    )


def test_parts_and_standardising_change_no_score(
    small: ModuleType, train: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = small.build(small.draw(100, 2))

    def dense(examples: Examples) -> np.ndarray:
        return features.with_demographics(features.counts(examples).toarray() * 50 + 7, examples)

    for made in (features.counts, dense):
        whole = linear.fit_head(made, train, tuning, (1.0,))
        scores = linear.head_scores(whole, made, tuning)
        assert scores.dtype == np.float32
        with monkeypatch.context() as patch:
            patch.setattr(linear, "CHUNK", 33)
            parts = linear.fit_head(made, train, tuning, (1.0,))
            np.testing.assert_allclose(linear.head_scores(parts, made, tuning), scores, atol=2e-3)
            np.testing.assert_allclose(linear.head_scores(whole, made, tuning), scores, atol=1e-6)
    assert isinstance(features.counts(train), csr_array)


@pytest.mark.parametrize("penalties", [(), (1, 1), (0,), (-1, 2)])
def test_penalties_are_checked(penalties: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="penalties"):
        read_settings(logistic_regression.Settings, {"penalties": list(penalties)})
