"""Averages against scikit-learn, in the estimate and in every resample; recall against counting."""

from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from behrt.evaluation.averages import average, sample_recall
from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.patients import score_patients

PATIENTS, DISEASES, RESAMPLES = 80, 7, 20
SKLEARN = {"APS": average_precision_score, "AUROC": roc_auc_score}


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with ties, labels, and what is known; disease 6 is nobody's label."""
    random = np.random.default_rng(4)
    labels = random.random((PATIENTS, DISEASES)) < 0.3
    labels[:, 6] = False
    labels[:3] = False
    known = random.random((PATIENTS, DISEASES)) < 0.2
    scores = np.clip(0.3 * labels + 0.7 * random.random((PATIENTS, DISEASES)), 0, 1).round(1)
    return scores.astype(np.float32), labels, known


@pytest.fixture(scope="module")
def averages(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> pl.DataFrame:
    scores, labels, known = case
    lists = [[np.flatnonzero(row).tolist() for row in part] for part in (labels, known)]
    patients = pl.DataFrame(
        {"subject_id": range(PATIENTS), "label": lists[0], "known": lists[1]},
        schema={
            "subject_id": pl.Int64,
            "label": pl.List(pl.Int16),
            "known": pl.List(pl.Int16),
        },
    )
    metrics = score_patients(patients, scores)
    return average(scores, labels, known, metrics, [1, 3], Bootstrap(RESAMPLES, 1), "T2")


def row(averages: pl.DataFrame, labels: str, kind: str, metric: str) -> dict[str, object]:
    return averages.row(
        by_predicate=(pl.col("labels") == labels)
        & (pl.col("average") == kind)
        & (pl.col("metric") == metric),
        named=True,
    )


@pytest.mark.parametrize("metric", ["APS", "AUROC"])
@pytest.mark.parametrize("kind", ["macro", "micro", "weighted"])
def test_over_patients_equals_scikit_learn(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
    averages: pl.DataFrame,
    kind: str,
    metric: str,
) -> None:
    scores, labels, _ = case
    seen = slice(0, 6)  # scikit-learn would average in what is undefined
    score = SKLEARN[metric]
    found = row(averages, "all", kind, metric)
    chosen = slice(None) if kind == "micro" else seen
    assert found["value"] == pytest.approx(
        score(labels[:, chosen], scores[:, chosen], average=kind)
    )
    weights = draws(PATIENTS, Bootstrap(RESAMPLES, 1), "T2").T
    for r in (0, 7, 19):
        rows = np.repeat(np.arange(PATIENTS), weights[r].astype(int))
        expected = score(labels[rows, chosen], scores[rows, chosen], average=kind)
        assert found["resampled"][r] == pytest.approx(expected)  # type: ignore[index]
    assert (found["patients"], found["undefined"]) == (PATIENTS, 0)
    assert (found["diseases"], found["diseases_undefined"]) == (
        (7, 0) if kind == "micro" else (6, 1)
    )


def test_the_sample_average_is_that_of_table_1(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], averages: pl.DataFrame
) -> None:
    scores, labels, _ = case
    held = labels.any(axis=1)
    found = row(averages, "all", "sample", "APS")
    expected = average_precision_score(labels[held], scores[held], average="samples")
    assert found["value"] == pytest.approx(expected)
    assert (found["patients"], found["undefined"]) == (held.sum(), (~held).sum())


def test_first_incidence_leaves_out_what_was_known(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], averages: pl.DataFrame
) -> None:
    scores, labels, known = case
    new = ~known
    micro = row(averages, "first_incidence", "micro", "APS")
    assert micro["value"] == pytest.approx(average_precision_score(labels[new], scores[new]))
    by_disease = [
        roc_auc_score(labels[kept, d], scores[kept, d]) for d, kept in enumerate(new.T[:6])
    ]
    macro = row(averages, "first_incidence", "macro", "AUROC")
    assert macro["value"] == pytest.approx(np.mean(by_disease))


@given(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=3, max_size=5), st.data())
def test_recall_is_the_mean_over_orders_of_equal_scores(
    scores: list[float], data: st.DataObject
) -> None:
    n = len(scores)
    labels = data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any))
    k = data.draw(st.integers(1, n))
    hits = [
        sum(labels[d] for d in sorted(order, key=lambda d: -scores[d])[:k])
        for order in permutations(range(n))
    ]
    expected = np.mean(hits) / sum(labels)
    found = sample_recall(np.array([scores]), np.array([labels]), None, k)
    assert found == pytest.approx([expected])


def test_recall_without_a_label_is_undefined_and_a_mask_leaves_out() -> None:
    scores = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    labels = np.array([[False, False, False], [True, True, False]])
    mask = np.array([[True, True, True], [False, True, True]])
    np.testing.assert_array_equal(sample_recall(scores, labels, mask, 1), [np.nan, 1.0])
    np.testing.assert_array_equal(sample_recall(scores, labels, None, 1), [np.nan, 0.5])
