"""Recalibration of the rates of events on patients whom a model has not learned from.

The rate of each event is multiplied by a factor, so that the number of events is the one expected.
Then the rates of four groups of events (visits, records of new diseases, records of diseases that
the patient has already, deaths) are multiplied by exp(x · b), where x is 1, the log of the group's
total rate, age, time since the start of follow-up, and the number of diseases on record. The b are
those of a Poisson regression with the expected events as offset. The coefficient of the log rate is
what a slope is in logistic recalibration. The others matter because errors of a rate add up in a
sampled future.
"""

from dataclasses import dataclass

import numpy as np

from behrt.learning.examples import Examples
from behrt.learning.visits import DAYS_A_YEAR

PRIOR_EVENTS = 20.0
"""Events that are added to the observed and to the expected ones of each factor."""

_PENALTY = 1.0
_STEPS = 30


@dataclass(frozen=True)
class RateRecalibration:
    """What rates are multiplied by.

    Attributes:
        factors: of a visit, of each disease and of death.
        coefficients: b of visits, new diseases, diseases on record, and death.
    """

    factors: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]

    def rates(self, rates: np.ndarray, examples: Examples) -> np.ndarray:
        """Return float64 (n, n_diseases + 2): the recalibrated rates after the last visit.

        Args:
            rates: float (n, n_diseases + 2), the model's, of a visit, of each disease and of death.
            examples: the histories.
        """
        found = rates.astype(np.float64) * np.array(self.factors)
        known = examples.known_matrix(np.arange(len(examples)))
        about = facts_of(examples, known)
        scaled: np.ndarray = np.empty_like(found)
        for group, own in zip(groups_of(known), self.coefficients, strict=True):
            change = np.exp(features(found, group, about) @ np.array(own))
            scaled = np.where(group, found * change[:, None], scaled)
        return scaled


def groups_of(known: np.ndarray) -> list[np.ndarray]:
    """Return bool (n, n_diseases + 2) for each group, which events are in it.

    Args:
        known: bool (n, n_diseases), the diseases on record.
    """
    nothing = np.zeros((len(known), 1), dtype=bool)
    return [
        np.hstack([~nothing, known & False, nothing]),
        np.hstack([nothing, ~known, nothing]),
        np.hstack([nothing, known, nothing]),
        np.hstack([nothing, known & False, ~nothing]),
    ]


def facts_of(examples: Examples, known: np.ndarray) -> np.ndarray:
    """Return float64 (n, 3), of the last visit of each patient.

    They are the age in decades, the log of 1 + years since the start of follow-up, and the log of
    1 + the number of diseases on record.
    """
    last = examples.visit_offsets[1:] - 1
    years = (examples.visit_day[last] - examples.follow_up_start) / DAYS_A_YEAR
    return np.column_stack(
        [
            examples.visit_age[last] / 120 - 5,
            np.log1p(np.maximum(years, 0)),
            np.log1p(known.sum(axis=1)),
        ]
    )


def features(rates: np.ndarray, group: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Return x, float64 (n, 5), of a group of events."""
    total = np.where(group, rates, 0).sum(axis=1)
    return np.column_stack([np.ones(len(rates)), np.log(np.maximum(total, 1e-9)), facts])


def fit_rates(
    rates: np.ndarray, years: np.ndarray, events: np.ndarray, examples: Examples
) -> RateRecalibration:
    """Return the recalibration that fits what was observed.

    Args:
        rates: float (n, n_diseases + 2), the model's.
        years: float (n, n_diseases + 2), such that rate · years is the number of expected events.
        events: float or bool (n, n_diseases + 2), those that came.
        examples: the histories before.
    """
    expected = (rates.astype(np.float64) * years).sum(axis=0)
    factors = (events.sum(axis=0) + PRIOR_EVENTS) / (expected + PRIOR_EVENTS)
    found = rates * factors
    known = examples.known_matrix(np.arange(len(examples)))
    facts = facts_of(examples, known)
    coefficients = [
        _poisson_regression(
            features(found, group, facts),
            np.where(group, found * years, 0).sum(axis=1),
            np.where(group, events, 0).sum(axis=1),
        )
        for group in groups_of(known)
    ]
    return RateRecalibration(tuple(factors.tolist()), tuple(coefficients))


def _poisson_regression(
    x: np.ndarray, expected: np.ndarray, observed: np.ndarray
) -> tuple[float, ...]:
    """Return b, the mode for events with mean expected · exp(x · b) and a standard normal prior.

    Newton's steps are halved until the likelihood rises.
    """
    b = np.zeros(x.shape[1])

    def objective(b: np.ndarray) -> float:
        line = np.clip(x @ b, -20, 20)
        mean = expected * np.exp(line)
        return float((observed * line).sum() - mean.sum() - _PENALTY * (b @ b) / 2)

    for _ in range(_STEPS):
        mean = expected * np.exp(np.clip(x @ b, -20, 20))
        gradient = x.T @ (observed - mean) - _PENALTY * b
        step = np.linalg.solve((x.T * mean) @ x + _PENALTY * np.eye(len(b)), gradient)
        now = objective(b)
        while objective(b + step) < now and np.abs(step).max() > 1e-10:
            step = step / 2
        b = b + step
        if np.abs(step).max() < 1e-9:
            break
    return tuple(b.tolist())
