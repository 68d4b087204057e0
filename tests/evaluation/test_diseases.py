"""Per disease: scores over patients, their intervals, and what is not shown."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from behrt.disclosure import Rules, disclose
from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.diseases import tabulate
from behrt.evaluation.grouped_scores import solve
from behrt.evaluation.rankings import disease_metrics
from behrt.sequences.vocabulary import Vocabulary

PATIENTS = 400


@pytest.fixture
def case(vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores; disease i has prevalence i / 20, but 0 is had by 3 patients."""
    random = np.random.default_rng(11)
    n = len(vocabulary.phenotypes)
    labels = random.random((PATIENTS, n)) < np.arange(n) / 20
    labels[:3, 0] = True
    labels[:, 11] = True
    scores = np.clip(labels * 0.2 + random.random((PATIENTS, n)).round(1) * 0.8, 0, 1)
    return labels, scores.astype(np.float32)


def make(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary, minimum: float = 0.01
) -> pl.DataFrame:
    return tabulate(*case, vocabulary, minimum, Bootstrap(100, 5), "T2", Rules(5))


def test_scores_equal_scikit_learn(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    labels, scores = case
    rows = {row["disease"]: row for row in make(case, vocabulary).iter_rows(named=True)}
    weights = draws(PATIENTS, Bootstrap(100, 5), "T2").T
    row = rows["Disease 05"]
    assert row["positives"] == labels[:, 5].sum()
    assert row["prevalence"] == pytest.approx(labels[:, 5].mean(), abs=5e-5)
    for name, metric in (("aps", average_precision_score), ("auroc", roc_auc_score)):
        assert row[name] == pytest.approx(metric(labels[:, 5], scores[:, 5]), abs=5e-5)
        resampled = [metric(labels[:, 5], scores[:, 5], sample_weight=w) for w in weights]
        low, high = np.quantile(resampled, [0.025, 0.975])
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), abs=5e-5)
    assert row["reason"] == ""


def test_what_is_undefined_has_a_reason(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    rows = {row["disease"]: row for row in make(case, vocabulary).iter_rows(named=True)}
    assert rows["Disease 11"]["auroc"] is None
    assert rows["Disease 11"]["aps"] == 1
    assert rows["Disease 11"]["reason"] == "every patient has it: AUROC undefined"


def test_rare_diseases_are_hidden_without_telling_how_rare(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    labels, scores = case
    labels[:, 1] = np.arange(PATIENTS) < 4  # exactly 1 %, beside disease 0 below it
    table = make((labels, scores), vocabulary)
    hidden = table.filter(pl.col("reason").str.contains("not shown"))
    assert hidden["disease"].to_list() == ["Disease 00", "Disease 01"]
    numbers = [c for c in table.columns if c not in ("disease", "chapter", "patients", "reason")]
    assert set(hidden.select(numbers).row(0) + hidden.select(numbers).row(1)) == {None}


def test_diseases_are_sorted_by_score_and_cut_by_prevalence(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    table = make(case, vocabulary, minimum=0.3)
    assert (table["prevalence"] >= 0.3).all()
    assert table["aps"].is_sorted(descending=True)


def test_a_disease_that_nobody_has_is_reported(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    labels, scores = case
    labels[:, 2] = False
    last = make((labels, scores), vocabulary, minimum=0).row(-1, named=True)
    row = make((labels, scores), vocabulary, minimum=0).row(
        by_predicate=pl.col("disease") == "Disease 02", named=True
    )
    assert row["reason"] == "no patient has it: both undefined"
    assert row["positives"] == 0
    assert last["aps"] is None


def test_yardsticks_stand_beside_the_model(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    labels, scores = case
    same_for_all = np.broadcast_to(labels.mean(axis=0).astype(np.float32), labels.shape)
    beside = {"prevalence": same_for_all, "oracle": scores}
    table = tabulate(labels, scores, vocabulary, 0.01, Bootstrap(100, 5), "T2", Rules(5), beside)
    shown = table.filter(pl.col("reason") == "")
    assert len(shown) > 5
    assert shown["aps_prevalence"].to_list() == pytest.approx(shown["prevalence"].to_list())
    assert set(shown["auroc_prevalence"]) == {0.5}
    assert shown["aps_oracle"].equals(shown["aps"])
    hidden = table.filter(pl.col("reason").str.contains("not shown"))
    assert hidden.select("aps_oracle", "auroc_prevalence").row(0) == (None, None)
    assert table.columns[-1] == "reason"


def test_the_score_of_a_constant_does_not_tell_an_exact_count(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    """Its APS is the prevalence, which beside rounded counts would give them away."""
    labels, _ = case
    constant = np.broadcast_to(labels.mean(axis=0).astype(np.float32), labels.shape)
    rules, beside = Rules(8, 5), {"prevalence": constant}
    table = tabulate(labels, constant, vocabulary, 0.01, Bootstrap(100, 5), "T2", rules, beside)
    shown = disclose(table.filter(reason=""), rules)
    for column in ("aps", "aps_prevalence"):
        np.testing.assert_allclose(shown[column], shown["prevalence"], atol=5e-5)


def test_small_counts_do_not_follow_from_scores_of_the_history(
    case: tuple[np.ndarray, np.ndarray], vocabulary: Vocabulary
) -> None:
    """Two scores per disease: of 6 patients with disease 5 before, 2 have it again."""
    labels, scores = case
    history = np.broadcast_to(np.float32(0.1), labels.shape).copy()
    for disease in range(5, 11):
        outcome = np.flatnonzero(labels[:, disease]), np.flatnonzero(~labels[:, disease])
        before = np.concatenate([outcome[0][: disease - 3], outcome[1][:4]])
        history[before, disease] = 0.7
    beside = {"history": history}
    grouped = pl.col("disease").is_in([f"Disease {number:02}" for number in range(5, 11)])
    table = tabulate(labels, scores, vocabulary, 0.01, Bootstrap(100, 5), "T2", Rules(5), beside)
    for row in table.filter(grouped).iter_rows(named=True):
        disease = int(row["disease"][-2:])
        numbers = row["positives"], row["patients"] - row["positives"]
        exact = np.ravel(disease_metrics(history[:, disease], labels[:, disease])).round(4)
        assert solve(*numbers, *exact.tolist(), 4).small(5)
        printed = row["aps_history"], row["auroc_history"]
        assert printed == (None, None) or not solve(*numbers, *printed, 2).small(5)
    as_model = tabulate(
        labels, history, vocabulary, 0.01, Bootstrap(100, 5), "T2", Rules(5)
    ).filter(grouped)
    assert as_model["aps_low"].null_count() == as_model["auroc_high"].null_count() == 6
    reasons = as_model.filter(pl.col("aps").is_null())["reason"]
    assert set(reasons) <= {"a small count would follow from the scores: not shown"}
