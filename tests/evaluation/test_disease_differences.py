"""Two models on one disease: the difference against DeLong, and many diseases at once."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from behrt.disclosure import Rules
from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.disease_differences import comparisons, holm, tabulate
from behrt.sequences.vocabulary import Vocabulary

PATIENTS = 600
SETTINGS = {
    "minimum_prevalence": 0.05,
    "bootstrap": Bootstrap(400, 5),
    "task": "T2",
    "rules": Rules(5),
}


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(2).random((PATIENTS, 12)) < 0.3


@pytest.fixture(scope="module")
def scores(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return three models: good for the first six diseases, fair, and the fair one again."""
    noise = np.random.default_rng(3).random((2, *labels.shape))
    good = labels * np.where(np.arange(12) < 6, 0.5, 0.1) * 0.8 + noise[0] * 0.6
    fair = labels * 0.08 + noise[1] * 0.3 + noise[0] * 0.3
    made = {"good": good, "fair": fair, "same": fair}
    return {name: (values / 1.1).astype(np.float32) for name, values in made.items()}


def make(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary, *references: str
) -> pl.DataFrame:
    return tabulate(labels, scores, references, vocabulary, **SETTINGS)  # type: ignore[arg-type]


def delong(label: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the difference of two AUROCs and its p value (DeLong et al., Biometrics 1988)."""

    def places(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wins = (score[label][:, None] > score[~label]) + 0.5 * (
            score[label][:, None] == score[~label]
        )
        return wins.mean(axis=1), wins.mean(axis=0)

    pairs = [places(score) for score in (first, second)]
    positive, negative = (pairs[0][i] - pairs[1][i] for i in (0, 1))
    error = np.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative))
    return positive.mean(), 2 * norm.sf(abs(positive.mean()) / error)


def test_a_difference_and_its_p_are_those_of_delong(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary
) -> None:
    table = make(labels, scores, vocabulary, "good").filter(metric="AUROC", other="fair")
    assert len(table) == 12
    for row in table.iter_rows(named=True):
        disease = vocabulary.phenotypes.index(row["disease"])
        own, its = (scores[name][:, disease] for name in ("good", "fair"))
        difference, p = delong(labels[:, disease], own, its)
        assert row["difference"] == pytest.approx(difference, abs=1e-4)
        # The same number of standard errors, which 400 resamples tell to some 10 %.
        assert norm.isf(row["p"] / 2) == pytest.approx(norm.isf(p / 2), rel=0.15, abs=0.1)


def test_intervals_are_of_the_same_resamples(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary
) -> None:
    table = make(labels, scores, vocabulary, "good").filter(metric="APS", other="fair")
    row = table.row(by_predicate=pl.col("disease") == "Disease 07", named=True)
    resampled = [
        average_precision_score(labels[:, 7], scores["good"][:, 7], sample_weight=weights)
        - average_precision_score(labels[:, 7], scores["fair"][:, 7], sample_weight=weights)
        for weights in draws(PATIENTS, Bootstrap(400, 5), "T2").T
    ]
    expected = np.quantile(resampled, [0.025, 0.975])
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(expected, abs=1e-4)
    assert row["positives"] == labels[:, 7].sum()


def test_p_values_are_adjusted_within_a_comparison(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary
) -> None:
    table = make(labels, scores, vocabulary, "good").filter(metric="APS", other="fair")
    assert (table["p"] <= table["p_benjamini_hochberg"]).all()
    assert (table["p_benjamini_hochberg"] <= table["p_holm"]).all()
    good = [f"Disease {i:02d}" for i in range(6)]
    assert set(good) <= set(table.filter(pl.col("p_holm") < 0.05)["disease"])
    assert table["difference"].is_sorted(descending=True)


def test_equal_models_do_not_differ(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary
) -> None:
    table = make(labels, scores, vocabulary, "fair").filter(other="same")
    assert set(table["difference"]) == {0.0}
    assert set(table["p"]) == {1.0}


def test_a_rare_disease_is_neither_shown_nor_tested(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary
) -> None:
    few = labels.copy()
    few[:, :2] = False
    few[:3, 0] = True
    settings = {**SETTINGS, "minimum_prevalence": 0.001}
    table = tabulate(few, scores, ["good"], vocabulary, **settings)  # type: ignore[arg-type]
    hidden = table.filter(pl.col("disease") == "Disease 00")
    numbers = ["positives", "score", "other_score", "difference", "p", "p_holm"]
    assert hidden.select(numbers).null_count().row(0) == (len(hidden),) * len(numbers)
    assert len(hidden) == 4
    assert "Disease 01" not in set(table["disease"])


def test_no_pair_is_compared_twice() -> None:
    models = ["a", "b", "c", "d"]
    expected = [("b", "a"), ("b", "c"), ("b", "d"), ("c", "a"), ("c", "d")]
    assert comparisons(["b", "c"], models) == expected


def test_holm_by_hand() -> None:
    """Three tests: 0.01 x 3, 0.02 x 2, 0.03 x 1 but not below the one before."""
    assert holm(np.array([0.03, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])
    assert holm(np.array([0.6, 0.5])).tolist() == [1, 1]


def test_an_interval_between_models_with_few_scores_is_not_shown(
    labels: np.ndarray, scores: dict[str, np.ndarray], vocabulary: Vocabulary
) -> None:
    """Its width depends on the numbers of patients with each score, of which some are small."""
    constant = np.full_like(scores["good"], 0.1)
    history = constant.copy()
    history[:20] = np.where(labels[:20].cumsum(axis=0) <= 3, 0.9, 0.1)
    models = {"good": scores["good"], "history": history, "prevalence": constant}
    table = make(labels, models, vocabulary, "good", "history")
    numbers = ["difference_low", "difference_high", "p", "p_holm"]
    between = table.filter(model="history", other="prevalence")
    assert between.select(pl.col(numbers).null_count().unique()).rows() == [(24,) * 4]
    assert table.filter(model="good", other="history")["p"].count() > 0
