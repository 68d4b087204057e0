"""The metrics against scikit-learn, ties included, and where they are undefined."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import average_precision_score, roc_auc_score

from behrt.evaluation.metrics import sample_average_precision, sample_metrics

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 9))


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with many ties, labels and a mask, all (n, d)."""
    shape = draw(SHAPES)
    values = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]) | st.floats(0, 1, width=32)
    scores = draw(arrays.arrays(np.float32, shape, elements=values))
    labels = draw(arrays.arrays(np.bool_, shape))
    mask = draw(arrays.arrays(np.bool_, shape))
    return scores, labels, mask


def expected(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, float]:
    """Return scikit-learn's two metrics, NaN where they are undefined."""
    held = labels if weights is None else labels[weights > 0]
    if not held.any():
        return np.nan, np.nan
    precision = average_precision_score(labels, scores, sample_weight=weights)
    if held.all():
        return precision, np.nan
    return precision, roc_auc_score(labels, scores, sample_weight=weights)


@given(cases())
def test_patients_equal_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    scores, labels, mask = case
    whole = np.array([expected(s, y) for s, y in zip(scores, labels, strict=True)])
    np.testing.assert_allclose(sample_average_precision(scores, labels), whole[:, 0], atol=1e-12)
    np.testing.assert_allclose(sample_metrics(scores, labels)[1], whole[:, 1], atol=1e-12)
    part = np.array([expected(s[m], y[m]) for s, y, m in zip(scores, labels, mask, strict=True)])
    np.testing.assert_allclose(
        np.stack(sample_metrics(scores, labels, mask), axis=1), part, atol=1e-12
    )


def test_a_case_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.8, 0.1]])
    labels = np.array([[False, True, False, True]])
    # Positives: 0.8 has 1 of 3 at or above, 0.1 has 2 of 4. Pairs: 0.8 loses to 0.9 and ties.
    assert sample_average_precision(scores, labels) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert sample_metrics(scores, labels)[1] == pytest.approx(0.5 / 4)


def test_the_metrics_are_undefined_where_they_should_be() -> None:
    scores = np.full((3, 2), 0.5)
    labels = np.array([[False, False], [True, True], [True, False]])
    np.testing.assert_array_equal(sample_average_precision(scores, labels), [np.nan, 1, 0.5])
    np.testing.assert_array_equal(sample_metrics(scores, labels)[1], [np.nan, np.nan, 0.5])


def test_many_patients_are_the_same_as_few() -> None:
    random = np.random.default_rng(1)
    scores = random.random((9000, 301), dtype=np.float32).round(2)
    labels = random.random((9000, 301)) < 0.01
    whole = sample_metrics(scores, labels)
    part = sample_metrics(scores[8000:8050], labels[8000:8050])
    np.testing.assert_array_equal(np.stack(whole)[:, 8000:8050], np.stack(part))


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (np.array([[np.nan]]), np.array([[True]])),
        (np.array([[0.5]]), np.array([[1]])),
        (np.array([[0.5, 0.5]]), np.array([[True]])),
    ],
)
def test_what_cannot_be_scored_is_refused(scores: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must"):
        sample_metrics(scores, labels)
