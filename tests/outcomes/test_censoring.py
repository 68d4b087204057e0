"""Weights of predictions whose follow-up is long enough."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from behrt.outcomes.censoring import followed_for, inverse_probability


def plainly(days: np.ndarray, complete: np.ndarray) -> list[float]:
    """Return the Kaplan-Meier estimate, straight from its definition."""
    found = []
    for until in days:
        share = 1.0
        for day in sorted(set(days[~complete & (days < until)])):
            at_risk = ((days > day) | ((days == day) & ~complete)).sum()
            share *= 1 - ((days == day) & ~complete).sum() / at_risk
        found.append(share)
    return found


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(
    arrays(np.int64, n, elements=st.integers(1, 5)), arrays(np.bool_, n))))  # fmt: skip
def test_the_estimate_is_kaplan_meiers(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    days, complete = drawn
    np.testing.assert_allclose(followed_for(days, complete), plainly(days, complete), atol=1e-12)
    weights = inverse_probability(days, complete)
    assert (weights[complete] >= 1 - 1e-12).all()
    assert (weights[~complete] == 0).all()
    if complete[days == days.max()].all():  # then nothing is lost at the end
        assert np.isclose(weights.sum(), len(days))


def test_weights_recover_the_risk_that_short_follow_up_hides() -> None:
    draws = np.random.default_rng(7)
    event, lost, window = draws.exponential(900, 40_000), draws.exponential(600, 40_000), 365
    until = np.minimum(event, window)
    complete = until <= lost
    days = np.ceil(np.minimum(until, lost) * 100).astype(np.int64)
    label = (event <= window) & complete
    weights = inverse_probability(days, complete)
    risk = 1 - np.exp(-window / 900)
    assert abs(np.average(label, weights=weights) - risk) < 0.01
    assert label[complete].mean() > risk + 0.03
