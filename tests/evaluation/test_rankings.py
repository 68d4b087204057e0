"""Rankings against scikit-learn, under any weights and in every resample."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import roc_auc_score

from behrt.evaluation import rankings
from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.rankings import (
    disease_metrics,
    placements,
    rank,
    rank_diseases,
    rank_pairs,
    resample_diseases,
    resampled_aurocs,
)

from .test_metrics import cases, expected


@given(cases(), st.data())
def test_diseases_equal_scikit_learn_under_any_weights(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    scores, labels = case[0].T[0], case[1].T[0]
    weights = data.draw(
        arrays.arrays(np.float64, (len(scores), 3), elements=st.sampled_from([0.0, 1.0, 2.0, 5.0]))
    )
    for r, (precision, auroc) in enumerate(
        zip(*disease_metrics(scores, labels, weights), strict=True)
    ):
        np.testing.assert_allclose(
            (precision, auroc), expected(scores, labels, weights[:, r]), atol=1e-12
        )
    np.testing.assert_allclose(
        np.concatenate(disease_metrics(scores, labels)), expected(scores, labels), atol=1e-12
    )


@given(cases(), st.data())
def test_several_diseases_equal_each_of_them(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    scores, labels, mask = case
    weights = data.draw(
        arrays.arrays(np.float64, (len(scores), 2), elements=st.sampled_from([0.0, 1.0, 2.0, 5.0]))
    )
    ranked = rank_diseases(scores, labels, known=~mask)
    found = np.concatenate([some.metrics(weights) for some in ranked], axis=2)
    for kept, of_diseases in zip((np.ones_like(mask), mask), found, strict=True):
        for disease, rows in enumerate(kept.T):
            one = scores[rows, disease], labels[rows, disease], weights[rows]
            precision, auroc, positives = of_diseases[:, disease]
            np.testing.assert_allclose((precision, auroc), disease_metrics(*one), rtol=1e-14)
            np.testing.assert_array_equal(positives, (one[1][:, np.newaxis] * one[2]).sum(axis=0))


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with ties, labels of common and of rare diseases, and what is known."""
    random = np.random.default_rng(3)
    labels = random.random((200, 5)) < [0.5, 0.3, 0.1, 0.02, 0.0]
    scores = (0.3 * labels + 0.7 * random.random((200, 5))).astype(np.float32).round(2)
    return scores, labels, random.random((200, 5)) < 0.2


@pytest.mark.parametrize("levels_at_once", [3, 500])
def test_resamples_equal_scikit_learn(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
    levels_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rankings, "_LEVELS_AT_ONCE", levels_at_once)
    scores, labels, known = case
    found = resample_diseases(scores, labels, Bootstrap(300, 1), "T2", known)
    weights = np.pad(draws(200, Bootstrap(300, 1), "T2"), ((0, 0), (1, 0)), constant_values=1)
    for kept, of_label_set in zip((np.ones_like(known), ~known), found, strict=True):
        for disease, rows in enumerate(kept.T):
            for r in (0, 1, 150, 300):
                one = scores[rows, disease], labels[rows, disease], weights[rows, r]
                np.testing.assert_allclose(
                    of_label_set[:2, disease, r], expected(*one), rtol=1e-12 if r == 0 else 1e-6
                )


@pytest.mark.parametrize("most_drawn", [32, 2**14, 2**16])
def test_pairs_of_many_patients_equal_scikit_learn(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
    most_drawn: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also with rows of few cases, and with sums that are too large for 16 bits."""
    monkeypatch.setattr(rankings, "_MOST_DRAWN", most_drawn)
    scores, labels, _ = case
    patient = np.repeat(np.arange(200, dtype=np.int32), 5)
    [found] = rank_pairs(scores, labels).resampled(Bootstrap(10, 1), "T2")
    [same] = rank(scores.ravel(), labels.ravel(), patient, 200).resampled(Bootstrap(10, 1), "T2")
    np.testing.assert_array_equal(found, same)
    weights = draws(200, Bootstrap(10, 1), "T2")[patient]
    for r in range(10):
        pairs = expected(scores.ravel(), labels.ravel(), weights[:, r])
        np.testing.assert_allclose(found[:2, 0, 1 + r], pairs, rtol=1e-6)


@given(cases())
def test_the_mean_component_is_the_auroc(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels = case[0].T[0], case[1].T[0]
    if not labels.any() or labels.all():
        return
    found = placements(scores, labels)
    auroc = roc_auc_score(labels, scores)
    assert found[labels].mean() == pytest.approx(auroc)
    assert found[~labels].mean() == pytest.approx(auroc)


def test_aurocs_to_first_order_are_near_those_of_the_resamples() -> None:
    random = np.random.default_rng(5)
    labels = random.random((1500, 2)) < 0.4
    scores = (random.random((1500, 2)) + 0.2 * labels).round(2)
    kept = random.random(1500) < 0.9
    bootstrap = Bootstrap(200, 1)
    found = resampled_aurocs(scores, labels, kept, bootstrap, "T2")
    weights = draws(1500, bootstrap, "T2")[kept].astype(np.float64)
    for column in range(2):
        _, exact = disease_metrics(scores[kept, column], labels[kept, column], weights)
        assert np.abs(found[:, column] - exact).max() < 0.2 * exact.std()
        assert found[:, column].std() == pytest.approx(exact.std(), rel=0.01)


def test_sums_of_16_bits_are_right_to_the_last_one() -> None:
    patients = 40_000
    labels = (np.arange(patients) % 100 == 0)[:, np.newaxis]
    known = (np.arange(patients) % 7 == 0)[:, np.newaxis]
    [ranked] = rank_diseases(np.zeros(labels.shape, np.float32), labels, known)
    assert ranked.negatives.dtype == np.int16
    weights = draws(patients, Bootstrap(3, 1), "T2")
    found = ranked.metrics(weights.astype(np.int16))
    assert found[0, 0].min() > 0
    np.testing.assert_allclose(found, ranked.metrics(weights.astype(np.float64)), rtol=1e-6)


def test_an_auroc_to_first_order_is_at_most_one() -> None:
    labels = np.arange(80)[:, np.newaxis] < 40
    scores = labels + np.where(np.arange(80) == 40, 1.5, 0.0)[:, np.newaxis]
    found = resampled_aurocs(scores, labels, np.ones(80, bool), Bootstrap(300, 1), "T2")
    assert found.max() == 1
