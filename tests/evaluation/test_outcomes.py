"""Scores of one event: against scikit-learn, by hand, and with several predictions per patient."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from behrt.disclosure import Rules
from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.calibration import calibrate
from behrt.evaluation.decision import MODEL, RECALIBRATED, THRESHOLDS
from behrt.evaluation.outcome_decision import ALL, SUBGROUP_THRESHOLDS, net_benefits_of
from behrt.evaluation.outcome_reliability import reliability_of
from behrt.evaluation.outcomes import METRICS, _Measuring, scores_of
from behrt.evaluation.predicted import Predicted, fit_recalibration
from behrt.tables import outcome_decision, outcome_reliability, outcome_scores

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
    scores = scores_of({"m": {MODEL: single}}, {(ALL, ALL): rows >= 0}, "m", FEW, "T2")
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
    scores = scores_of(
        {"good": {MODEL: predicted}, "bad": {MODEL: inverted}}, groups, "good", FEW, "x"
    )
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


def everyone(predicted: Predicted) -> dict[tuple[str, str], np.ndarray]:
    return {(ALL, ALL): predicted.label | True}


def test_net_benefit_by_hand() -> None:
    label = np.array([True, False, False, True])
    predicted = Predicted(
        np.array([0, 0, 1, 1]), 2, np.array([0.6, 0.3, 0.1, 0.2]), label, np.array([1.0, 1, 1, 1])
    )
    found = net_benefits_of({"m": {MODEL: predicted}}, everyone(predicted), FEW, "x")
    at = found.filter(threshold=0.25, strategy="as trained").row(0, named=True)
    assert at["value"] == pytest.approx((1 - 1 / 3) / 4)
    assert (at["treated"], at["rightly"], at["in_vain"], at["weighted"]) == (1, 1, 1, False)
    everybody = found.filter(threshold=0.2, strategy="treat all").row(0, named=True)
    assert everybody["value"] == pytest.approx((2 - 2 / 4) / 4)
    assert (everybody["treated"], everybody["predictions"], everybody["events"]) == (2, 4, 2)


def test_net_benefit_in_a_group_by_hand() -> None:
    label = np.array([True, False, False, True])
    weight = np.array([1.0, 2, 1, 1])
    predicted = Predicted(np.array([0, 1, 2, 2]), 3, np.array([0.6, 0.3, 0.1, 0.2]), label, weight)
    men = np.array([True, True, False, False])
    groups = {**everyone(predicted), ("sex", "men"): men, ("sex", "unknown"): men & ~men}
    found = net_benefits_of({"m": {MODEL: predicted}}, groups, Bootstrap(200, 7), "x")
    assert found.filter(subgroup=ALL)["threshold"].unique().len() == len(THRESHOLDS)
    of_men = found.filter(group="men", strategy="as trained")
    assert tuple(of_men["threshold"]) == SUBGROUP_THRESHOLDS
    assert of_men["value"].to_list() == pytest.approx(
        [(1 - 2 * o) / 3 for o in (1 / 19, 1 / 9, 1 / 4)]
    )
    assert of_men["low"].null_count() == 3  # some resamples have no men
    assert of_men["predictions"].to_list() == [2] * 3
    assert "unknown" not in found["group"]
    # Interval: the same draws of all patients, with the man of a group only where he is drawn.
    groups = {("sex", "some"): np.array([True, True, True, False])}
    some = net_benefits_of({"m": {MODEL: predicted}}, groups, Bootstrap(20, 3), "x")
    times = draws(3, Bootstrap(20, 3), "x").T
    drawn = (times @ [1, -2 / 9, -1 / 9]) / (times @ [1, 2, 1])
    row = some.row(1, named=True)
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_net_benefits_of_groups_are_hidden_together() -> None:
    treated = np.repeat([True, False, True, False], [60, 40, 4, 96])
    events = np.concatenate([np.arange(n) < k for n, k in ((60, 30), (40, 10), (4, 2), (96, 28))])
    risk = np.where(treated, 0.3, 0.06)
    one = Predicted(np.arange(200), 200, risk, events, np.ones(200))
    men = np.arange(200) < 100
    groups = {**everyone(one), ("sex", "men"): men, ("sex", "women"): ~men}
    models = {"m": {MODEL: one}}
    benefits = net_benefits_of(models, groups, FEW, "x")
    for threshold, hidden in ((5, True), (2, False)):
        rules = Rules(threshold)
        scores = outcome_scores.tabulate(scores_of(models, groups, "m", FEW, "x"), "x", rules)
        table = outcome_scores.tabulate_net_benefits(benefits, scores, "x", rules)
        assert table.columns == scores.columns
        shown = {
            (risks, group, metric.removeprefix("net benefit at ")): value
            for risks, group, metric, value in table.select(
                "risks", "group", "metric", "value"
            ).iter_rows()
        }
        assert shown[MODEL, "men", "0.05"] == pytest.approx((40 - 60 / 19) / 100, abs=1e-6)
        assert shown["treat all", "women", "0.2"] == pytest.approx((30 - 70 / 4) / 100)
        assert shown[MODEL, ALL, "0.2"] == pytest.approx((32 - 32 / 4) / 200)
        # Two of the women with a risk of 0.3 have the event: the value of men would reveal it.
        both = [shown[MODEL, group, "0.2"] for group in ("men", "women")]
        assert both == ([None] * 2 if hidden else [(30 - 30 / 4) / 100, (2 - 2 / 4) / 100])


def repeated() -> Predicted:
    """Return two patients with six predictions and the event after each, and 98 without it."""
    patient = np.concatenate([np.repeat([0, 1], 6), np.arange(2, 100)])
    risk = np.where(patient < 2, 0.6, np.where(patient < 50, 0.3, 0.05))
    return Predicted(patient, 100, risk, patient < 2, np.ones(len(patient)))


def test_events_of_few_patients_are_hidden_where_predictions_are_many() -> None:
    found = net_benefits_of({"m": {MODEL: repeated()}}, everyone(repeated()), FEW, "x")
    assert found.filter(strategy="treat all")["treated"].to_list() == [2] * len(THRESHOLDS)
    table = outcome_decision.tabulate(found, "x", Rules(5))
    for column in ("value", "low", "high", "events"):
        assert table[column].null_count() == table.height
    assert outcome_decision.tabulate(found, "x", Rules(2))["events"].to_list() == [12] * 34


def test_weighted_net_benefits_are_shifted_as_the_rounding_shifts_others() -> None:
    predicted = drawn(5, rows=400)
    found = net_benefits_of({"m": {MODEL: predicted}}, everyone(predicted), FEW, "x")
    found = found.filter(strategy="treat all")
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


def test_recalibration_maximises_the_weighted_likelihood_and_keeps_the_order() -> None:
    one = drawn(9, rows=2000)
    wrong = replace(one, risk=expit(0.5 * logit(one.risk) - 1))
    recalibration = fit_recalibration(wrong)
    known = LogisticRegression(C=1e9, tol=1e-10).fit(
        logit(wrong.risk)[:, None], wrong.label, sample_weight=wrong.weight
    )
    assert recalibration.slope == pytest.approx(known.coef_[0, 0], rel=1e-3)
    assert recalibration.intercepts[0] == pytest.approx(known.intercept_[0], rel=1e-3)
    right = wrong.recalibrated(recalibration)
    everybody = {(ALL, ALL): right.label | True}
    scores = scores_of({"m": {MODEL: wrong, RECALIBRATED: right}}, everybody, "m", FEW, "x")
    of = {(r, m): v for r, m, v in scores.select("risks", "metric", "value").iter_rows()}
    assert of[RECALIBRATED, "slope"] == pytest.approx(1, abs=1e-3)
    assert of[RECALIBRATED, "observed / expected"] == pytest.approx(1, abs=1e-3)
    assert of[RECALIBRATED, "Brier"] < of[MODEL, "Brier"]
    assert (RECALIBRATED, "AUROC") not in of
    assert [len(np.unique(each.risk)) for each in (wrong, right)] == [5, 5]


def test_groups_of_risks_by_hand_and_with_weights() -> None:
    one = drawn(4, rows=600)
    points = reliability_of({"m": {MODEL: one}}, FEW, "x")
    groups = points.filter(kind="group")
    assert groups["predictions"].sum() == 600
    assert groups["events"].sum() == one.label.sum()
    for row in groups.iter_rows(named=True):
        near = np.isclose(one.risk, row["predicted"])
        if near.sum() == row["predictions"]:  # a group of one risk
            assert row["observed"] == pytest.approx(
                np.average(one.label[near], weights=one.weight[near])
            )
            assert row["positives"] == len(np.unique(one.patient[near & one.label]))
            assert row["negatives"] == len(np.unique(one.patient[near & ~one.label]))
            assert row["low"] <= row["observed"] <= row["high"]
    assert np.isclose(groups["predicted"].to_numpy()[:, None], [0.3, 0.31, 0.7]).any(0).all()


def test_groups_with_few_events_are_hidden_with_another() -> None:
    rows = [
        (0.1, 0.03, 100, 3, 3, 97),
        (0.2, 0.2, 100, 20, 20, 80),
        (0.5, 0.5, 100, 50, 50, 50),
    ]
    names = ["predicted", "observed", "predictions", "events", "positives", "negatives"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        model=pl.lit("m"), risks=pl.lit(MODEL), kind=pl.lit("group"), low=0.01, high=0.9
    )
    table = outcome_reliability.tabulate(frame, "x", Rules(5))
    assert table["observed"].to_list() == [None, None, 0.5]
    assert table["share"].null_count() == 2
    rounded = outcome_reliability.tabulate(frame[2:], "x", Rules(5, 40))
    assert rounded["observed"].to_list() == [pytest.approx(40 / 120)]
