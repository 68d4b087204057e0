"""Net benefit by hand, and by the formula of treating everybody."""

import numpy as np
import polars as pl
import pytest

from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.decision import (
    EVERYBODY,
    MODEL,
    RECALIBRATED,
    decide,
)


def test_a_case_by_hand() -> None:
    risks = np.array([[0.9, 0.3], [0.2, 0.6], [0.5, 0.1]])
    labels = np.array([[True, False], [False, True], [False, False]])
    # At 0.5: hits for patients 0 and 1, one in vain for patient 2, which weighs 0.5 / 0.5.
    # At 0.2: patient 0 is treated in vain for the second, 1 for the first, each 0.2 / 0.8.
    rows = decide(risks, risks / 9, labels, [], Bootstrap(5, 1), "T2").filter(
        pl.col("threshold").is_in([0.2, 0.5]), strategy=MODEL
    )
    np.testing.assert_allclose(rows["value"], [(0.75 + 0.75 - 0.25) / 3, (1 + 1 - 1) / 3])
    assert rows["rightly"].to_list() == [2, 2]
    assert rows["in_vain"].to_list() == [3, 1]


@pytest.fixture(scope="module")
def curves() -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(6)
    risks = random.random((300, 4)) * 0.4
    labels = random.random((300, 4)) < risks
    return decide(risks / 2, risks, labels, [2, 0], Bootstrap(50, 1), "T2"), labels


def test_treating_everybody_is_prevalence_less_the_odds(
    curves: tuple[pl.DataFrame, np.ndarray],
) -> None:
    table, labels = curves
    rows = table.filter((pl.col("strategy") == EVERYBODY) & (pl.col("disease") == 2))
    share = labels[:, 2].mean()
    odds = (rows["threshold"] / (1 - rows["threshold"])).to_numpy()
    np.testing.assert_allclose(rows["value"], share - (1 - share) * odds)
    assert (rows["treated"] == 300).all()
    assert (rows["positives"] == labels[:, 2].sum()).all()


def test_true_risks_are_worth_more_than_halved_ones_or_none(
    curves: tuple[pl.DataFrame, np.ndarray],
) -> None:
    table, _ = curves
    together = table.filter(pl.col("disease").is_null() & (pl.col("threshold") == 0.1))
    worth = dict(together.select("strategy", "value").iter_rows())
    assert worth[RECALIBRATED] > max(worth[MODEL], worth[EVERYBODY], 0)
    assert (table["low"] <= table["value"]).mean() > 0.99
    unreached = table.filter((pl.col("strategy") == MODEL) & (pl.col("threshold") > 0.21))
    assert (unreached["value"] == 0).all()
    assert (unreached["treated"] == 0).all()
