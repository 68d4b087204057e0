"""Scores of one event: against scikit-learn, by hand, and with several predictions per patient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from behrt.disclosure import Rules
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.calibration import calibrate
from behrt.evaluation.decision import THRESHOLDS
from behrt.evaluation.outcomes import (
    ALL,
    METRICS,
    Predicted,
    _Measuring,
    net_benefits_of,
    scores_of,
)
from behrt.tables import outcome_decision

FEW = Bootstrap(20, 7)


def drawn(seed: int, rows: int = 200, weighted: bool = True) -> Predicted:
    draws = np.random.default_rng(seed)
    risk = draws.choice([0.02, 0.1, 0.3, 0.31, 0.7], rows)
    patient = np.sort(draws.integers(0, rows // 2, rows))
    patient = np.unique(patient, return_inverse=True)[1]
    weight = draws.uniform(0.5, 3, rows) if weighted else np.ones(rows)
    return Predicted(patient, patient.max() + 1, risk, draws.random(rows) < risk, weight)


@settings(max_examples=15)
@given(st.integers(0, 2**31))
def test_scores_are_those_of_scikit_learn_with_weights(seed: int) -> None:
    predicted = drawn(seed)
    # Each patient counts as often as a resample draws it.
    times = np.random.default_rng(seed + 1).integers(0, 3, (predicted.patients, 2)).astype(float)
    found = _Measuring(predicted).measure(times)
    for column in range(2):
        weight = predicted.weight * times[predicted.patient, column]
        known = {"y_true": predicted.label, "sample_weight": weight}
        for metric, expected in (
            ("AUROC", roc_auc_score(y_score=predicted.risk, **known)),
            ("AUPRC", average_precision_score(y_score=predicted.risk, **known)),
            ("Brier", brier_score_loss(y_proba=predicted.risk, **known)),
        ):
            assert found[METRICS.index(metric), column] == pytest.approx(expected)
        observed = (weight * predicted.label).sum() / (weight * predicted.risk).sum()
        assert found[METRICS.index("observed / expected"), column] == pytest.approx(observed)


def test_calibration_is_that_of_a_single_disease() -> None:
    one = drawn(3, weighted=False)
    rows = np.arange(len(one.label))
    single = Predicted(rows, len(rows), one.risk, one.label, one.weight)
    scores = scores_of({"m": single}, {(ALL, ALL): rows >= 0}, "m", FEW, "T2")
    known, _ = calibrate(one.risk[:, None], one.label[:, None], FEW, "T2")
    for measure in ("observed / expected", "intercept", "slope"):
        ours, theirs = scores.filter(metric=measure), known.filter(measure=measure)
        for column in ("value", "low", "high"):
            assert ours[column][0] == pytest.approx(theirs[column][0], abs=1e-6)


def test_differences_are_paired_and_groups_have_their_own_support() -> None:
    predicted = drawn(5)
    inverted = Predicted(
        predicted.patient, predicted.patients, 1 - predicted.risk, predicted.label, predicted.weight
    )
    half = np.arange(len(predicted.label)) < 90
    groups = {(ALL, ALL): half | True, ("sex", "men"): half, ("sex", "unknown"): half & False}
    scores = scores_of({"good": predicted, "bad": inverted}, groups, "good", FEW, "x")
    auroc = scores.filter(metric="AUROC", model="bad", subgroup=ALL)
    good = scores.filter(metric="AUROC", model="good", subgroup=ALL)["value"][0]
    assert auroc["value"][0] == pytest.approx(1 - good)
    assert auroc["difference"][0] == pytest.approx(1 - 2 * good)
    assert auroc["difference_low"][0] <= auroc["difference"][0] <= auroc["difference_high"][0]
    assert scores.filter(model="good")["difference"].null_count() == 12
    men = scores.filter(metric="AUROC", model="good", group="men").row(0, named=True)
    part = predicted.select(half)
    assert men["patients"] == len(set(part.patient))
    assert men["positives"] == len(set(part.patient[part.label]))
    assert (men["predictions"], men["events"]) == (90, part.label.sum())
    assert "unknown" not in scores["group"].to_list()


def test_net_benefit_by_hand() -> None:
    label = np.array([True, False, False, True])
    predicted = Predicted(
        np.array([0, 0, 1, 1]), 2, np.array([0.6, 0.3, 0.1, 0.2]), label, np.array([1.0, 1, 1, 1])
    )
    found = net_benefits_of({"m": predicted}, FEW, "x")
    at = found.filter(threshold=0.25, strategy="as trained").row(0, named=True)
    assert at["value"] == pytest.approx((1 - 1 / 3) / 4)
    assert (at["treated"], at["rightly"], at["in_vain"], at["weighted"]) == (1, 1, 1, False)
    everybody = found.filter(threshold=0.2, strategy="treat all").row(0, named=True)
    assert everybody["value"] == pytest.approx((2 - 2 / 4) / 4)
    assert (everybody["treated"], everybody["predictions"], everybody["events"]) == (2, 4, 2)


def repeated() -> Predicted:
    """Return two patients with six predictions and the event after each, and 98 without it."""
    patient = np.concatenate([np.repeat([0, 1], 6), np.arange(2, 100)])
    risk = np.where(patient < 2, 0.6, np.where(patient < 50, 0.3, 0.05))
    return Predicted(patient, 100, risk, patient < 2, np.ones(len(patient)))


def test_events_of_few_patients_are_hidden_where_predictions_are_many() -> None:
    found = net_benefits_of({"m": repeated()}, FEW, "x")
    assert found.filter(strategy="treat all")["treated"].to_list() == [2] * len(THRESHOLDS)
    table = outcome_decision.tabulate(found, "x", Rules(5))
    for column in ("value", "low", "high", "events"):
        assert table[column].null_count() == table.height
    assert outcome_decision.tabulate(found, "x", Rules(2))["events"].to_list() == [12] * 34


def test_weighted_net_benefits_are_shifted_as_the_rounding_shifts_others() -> None:
    predicted = drawn(5, rows=400)
    found = net_benefits_of({"m": predicted}, FEW, "x").filter(strategy="treat all")
    exact = outcome_decision.tabulate(found, "x", Rules(5))
    rounded = outcome_decision.tabulate(found, "x", Rules(5, 5))
    assert exact["value"].to_list() == pytest.approx(found["value"].to_list(), abs=1e-6)
    rules, row = Rules(5, 5), found.row(0, named=True)
    odds, n = row["threshold"] / (1 - row["threshold"]), row["predictions"]
    hits, others = rules.share(row["rightly"], n), rules.share(row["in_vain"], n)
    shift = hits - odds * others - (row["rightly"] - odds * row["in_vain"]) / n
    assert shift != 0
    for column in ("value", "low", "high"):
        assert rounded[column][0] == pytest.approx(row[column] + shift, abs=2e-6)
