"""Recalibrated rates: as many events as observed in each group, and a change that is known."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from behrt.learning.examples import Examples
from behrt.learning.rate_recalibration import RateRecalibration, fit_rates, groups_of

N = 4000


@pytest.fixture
def examples() -> Examples:
    """Return patients with one visit each and one disease of three on record."""
    draws = np.random.default_rng(2)
    disease = draws.integers(0, 3, N).astype(np.int16)
    one = np.arange(N + 1)
    return Examples(
        subject_id=np.arange(N),
        sex=np.ones(N, dtype=np.int8),
        follow_up_start=-draws.integers(0, 5000, N).astype(np.int32),
        visit_offsets=one,
        visit_day=np.zeros(N, dtype=np.int32),
        visit_age=draws.integers(300, 900, N).astype(np.int16),
        code_offsets=one,
        codes=disease,
        label_offsets=np.zeros(N + 1, dtype=np.int64),
        labels=disease[:0],
        known_offsets=one,
        known=disease,
        n_diseases=3,
    )


def test_a_change_by_age_time_and_rate_is_found(examples: Examples) -> None:
    draws = np.random.default_rng(3)
    rates = np.exp(draws.normal(size=(N, 5)))
    years = draws.uniform(0.2, 3, (N, 1)) * np.ones(5)
    known = examples.known_matrix(np.arange(N))
    decades = examples.visit_age / 120 - 5
    since = np.log1p(-examples.follow_up_start / 365.25)
    true = rates * np.exp(0.3 * decades - 0.2 * since)[:, None]
    true[:, 4] = rates[:, 4] ** 0.5
    true[:, 1:4] *= np.where(known, 2.0, 0.5)
    events = draws.poisson(true * years)
    found = fit_rates(rates, years, events, examples)
    expected = found.rates(rates, examples) * years
    for group in groups_of(known):
        observed = np.where(group, events, 0).sum()
        assert np.where(group, expected, 0).sum() == pytest.approx(observed, rel=0.001)
        for part in np.array_split(np.argsort(examples.visit_age), 4):
            here = np.where(group, events, 0)[part].sum()
            assert np.where(group, expected, 0)[part].sum() == pytest.approx(here, rel=0.12)
    slope = 1 + found.coefficients[3][1]
    assert slope == pytest.approx(0.5, abs=0.06)


def test_nothing_changes_without_events_or_with_neutral_values(examples: Examples) -> None:
    rates = np.full((N, 5), 0.3)
    neutral = RateRecalibration((1.0,) * 5, ((0.0,) * 5,) * 4)
    assert np.array_equal(neutral.rates(rates, examples), rates)
    none = fit_rates(rates, np.zeros((N, 5)), np.zeros((N, 5)), examples)
    assert none.rates(rates, examples) == pytest.approx(rates)
    some = replace(none, factors=(2.0, 1.0, 1.0, 1.0, 0.5))
    assert some.rates(rates, examples)[0] == pytest.approx([0.6, 0.3, 0.3, 0.3, 0.15])
    assert Counter(groups_of(np.array([[True, False]]))[1].ravel().tolist()) == {False: 3, True: 1}
