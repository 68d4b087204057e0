"""Futures of patients, sampled visit by visit from the rates of competing events.

The next event is a visit or death, whichever comes first. Their rates change after the last visit
by a constant factor per year. After a visit, the rates are read again, from the history with that
visit. Nothing here needs torch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from behrt.learning.examples import Examples
from behrt.learning.visits import DAYS_A_YEAR

Rates = Callable[[Examples], tuple[np.ndarray, np.ndarray]]
"""Returns the rates per year after the last visit, of a visit, of each disease and of death, float
(n, n_diseases + 2); and float (n, 2), the slopes per year of the log rates of a visit and each
disease, and of death."""

_LEAST = 1e-6
_HALVINGS = 30


@dataclass(frozen=True)
class Futures:
    """Sampled futures of some patients, several of each.

    Attributes:
        patient: int64 (futures), the patient's row; those of a patient are together.
        death: float64 (futures), the day of death since 1970-01-01; infinity for none up to the
            end.
        row: int64 (records), the future of each recorded disease, ascending.
        day: int64 (records), its day since 1970-01-01, ascending within a future.
        disease: int64 (records), phenotype index.
    """

    patient: np.ndarray
    death: np.ndarray
    row: np.ndarray
    day: np.ndarray
    disease: np.ndarray


def sample_futures(
    rates: Rates,
    examples: Examples,
    start: np.ndarray,
    until: np.ndarray,
    copies: int,
    random: np.random.Generator,
) -> Futures:
    """Return sampled futures of the days after `start` up to `until`.

    Args:
        rates: of the model.
        examples: histories up to `start`.
        start, until: int64 (n), days since 1970-01-01. Nothing happened between the last visit and
            `start`.
        copies: futures per patient.
        random: draws.
    """
    patient = np.repeat(np.arange(len(examples)), copies)
    death = np.full(len(patient), np.inf)
    future, histories = np.arange(len(patient)), examples.select(patient)
    now = start[patient].astype(np.float64)
    found: list[np.ndarray] = []
    while len(future):
        own, slopes = (array.astype(np.float64) for array in rates(histories))
        last = histories.visit_day[histories.visit_offsets[1:] - 1]
        elapsed = (now - last)[:, None] / DAYS_A_YEAR
        waiting = draw_waiting(own[:, [0, -1]] * np.exp(slopes * elapsed), slopes, random)
        dies = waiting[:, 1] < waiting[:, 0]
        # A visit is on a later day than the one before.
        now = np.maximum(now + waiting.min(axis=1) * DAYS_A_YEAR, np.floor(now) + 1)
        ends = now >= until[patient[future]] + 1
        death[future[dies & ~ends]] = np.floor(now[dies & ~ends])
        left = ~dies & ~ends
        future, now = future[left], np.floor(now[left])
        present = draw_visits(own[left, 1:-1] / own[left, :1], random)
        row, disease = np.nonzero(present)
        found.append(np.stack([future[row], now[row].astype(np.int64), disease]))
        histories = with_visit(histories.select(np.flatnonzero(left)), now, present)
    row, day, disease = np.concatenate(found, axis=1) if found else np.zeros((3, 0), dtype=np.int64)
    order = np.argsort(row, kind="stable")
    return Futures(patient, death, row[order], day[order], disease[order])


def draw_waiting(rates: np.ndarray, slopes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return float64 (n, events), the years until each event, infinity for none.

    Args:
        rates: float64 (n, events), per year now, above 0.
        slopes: float64 (n, events), of their logarithms, per year.
        random: draws.
    """
    expected = random.exponential(size=rates.shape) / rates  # years, if rates were constant
    flat = np.abs(slopes) < 1e-9
    grown = slopes * expected
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = np.where(grown > -1, np.log1p(grown) / slopes, np.inf)
    return np.where(flat, expected, bent)


def draw_visits(shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return bool (n, diseases): the diseases of a visit, at least one.

    Each disease is drawn on its own with such a probability that, given that there is one, it is
    there with its share (a conditional Bernoulli draw). If the shares have the sum 1 or less, which
    leaves no visit with two diseases, one disease is drawn in their proportion.

    Args:
        shares: float (n, diseases), the rate of each disease relative to that of visits.
        random: draws.
    """
    shares = np.minimum(shares, 1.0)
    probability = shares * some_disease(shares)[:, None]
    none_before = np.ones_like(probability)
    np.cumprod(1 - probability[:, :-1], axis=1, out=none_before[:, 1:])
    up_to = np.cumsum(none_before * probability, axis=1)  # the first disease is this or before
    chosen = random.random(len(shares)) * up_to[:, -1]
    first = (up_to <= chosen[:, None]).sum(axis=1).clip(max=shares.shape[1] - 1)
    after = np.arange(shares.shape[1]) > first[:, None]
    present: np.ndarray = after & (random.random(shares.shape) < probability)
    present[np.arange(len(shares)), first] = True
    return present


def some_disease(shares: np.ndarray) -> np.ndarray:
    """Return c, float64 (n), with c = 1 − Π (1 − c · share): the chance that any is drawn.

    It is near 0 where the shares have the sum 1 or less.

    >>> some_disease(np.array([[0.75, 0.75], [0.5, 0.5]])).round(3)
    array([0.889, 0.   ])
    """
    low, high = np.full(len(shares), _LEAST), np.ones(len(shares))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        drawn = 1 - np.prod(1 - middle[:, None] * shares, axis=1)
        low, high = np.where(drawn > middle, middle, low), np.where(drawn > middle, high, middle)
    return low


def with_visit(examples: Examples, day: np.ndarray, present: np.ndarray) -> Examples:
    """Return the examples with one more visit each.

    Args:
        examples: the histories.
        day: (n), days since 1970-01-01, after the last visit.
        present: bool (n, n_diseases), the diseases of the visit.
    """
    day = day.astype(np.int32)
    end = examples.visit_offsets[1:]
    months = [
        days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        for days in (examples.visit_day[end - 1], day)
    ]
    age = examples.visit_age[end - 1] + months[1] - months[0]
    row, disease = np.nonzero(present)
    sizes = np.insert(np.diff(examples.code_offsets), end, np.bincount(row, minlength=len(day)))
    known_row, known = np.nonzero(examples.known_matrix(np.arange(len(day))) | present)
    counts = np.bincount(known_row, minlength=len(day))
    return replace(
        examples,
        visit_offsets=examples.visit_offsets + np.arange(len(day) + 1),
        visit_day=np.insert(examples.visit_day, end, day),
        visit_age=np.insert(examples.visit_age, end, age),
        code_offsets=np.concatenate([[0], sizes.cumsum()]),
        codes=np.insert(examples.codes, examples.code_offsets[end][row], disease),
        known_offsets=np.concatenate([[0], counts.cumsum()]),
        known=known.astype(np.int16),
    )


def joined(parts: Sequence[Futures]) -> Futures:
    """Return the futures of several parts, whose patients are numbered together already."""
    before = np.cumsum([0, *(len(part.patient) for part in parts)])
    return Futures(
        np.concatenate([part.patient for part in parts]),
        np.concatenate([part.death for part in parts]),
        np.concatenate([part.row + first for part, first in zip(parts, before, strict=False)]),
        np.concatenate([part.day for part in parts]),
        np.concatenate([part.disease for part in parts]),
    )


def cumulative_incidence(
    futures: Futures, start: np.ndarray, days: np.ndarray, n: int
) -> np.ndarray:
    """Return float64 (patients, n + 1, times): shares of futures with each event by each time.

    The events are a record of each disease and, last, death.

    Args:
        futures: at least one of each patient.
        start: int64 (patients), the day that time is counted from.
        days: int64 (times), days after it.
        n: the number of diseases.
    """
    patients = len(start)
    counts = np.zeros((patients, n + 1, len(days)))
    after = futures.day - start[futures.patient[futures.row]]
    for time, most in enumerate(days):
        pairs = np.unique((futures.row * n + futures.disease)[after <= most])
        future, disease = np.divmod(pairs, n)
        place = futures.patient[future] * n + disease
        counts[:, :n, time] = np.bincount(place, minlength=patients * n).reshape(patients, n)
        dead = futures.death - start[futures.patient] <= most
        counts[:, n, time] = np.bincount(futures.patient[dead], minlength=patients)
    return counts / np.bincount(futures.patient, minlength=patients)[:, None, None]
