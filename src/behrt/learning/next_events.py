"""Learn what comes next, and when, after every visit: competing exponential waiting times."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.learning.engine import Batch
from behrt.learning.forecasting import Forecasting
from behrt.learning.histories import Histories
from behrt.learning.visits import DAYS_A_YEAR

NEXT = "next"
"""Names the label of `next_events`."""


def next_events(histories: Histories) -> Histories:
    """Return the histories with one cut after each visit, whose label is the next visit.

    After a patient's last visit, the label is empty.
    """
    offsets = histories.examples.visit_offsets
    last = np.repeat(offsets[1:], np.diff(offsets))
    ends = np.minimum(np.arange(len(last)) + 2, last)
    return replace(histories, label_ends={NEXT: ends})


def waiting_days(histories: Histories) -> np.ndarray:
    """Return int64 (visits), days from each visit to the next or to the end of follow-up."""
    days = histories.examples.visit_day.astype(np.int64)
    until = np.roll(days, -1)
    until[histories.examples.visit_offsets[1:] - 1] = histories.follow_up_end
    waiting: np.ndarray = until - days
    return waiting


def deaths_of(histories: Histories) -> np.ndarray:
    """Return bool (visits), whether death comes next.

    Raises:
        InputError: the deaths were not read.
    """
    if histories.died is None:
        raise InputError("histories", "their deaths are missing", "Give the MEDS events")
    deaths = np.zeros(len(histories.examples.visit_day), dtype=bool)
    deaths[histories.examples.visit_offsets[1:] - 1] = histories.died
    return deaths


def log_rates_of_all(histories: Histories) -> np.ndarray:
    """Return float64 (n_diseases + 2): log of visits, records and deaths, per year.

    A visit counts if it has a diagnosis. Half an event is added for each disease and for death, so
    that the log is finite.
    """
    train = histories.examples
    records = np.bincount(train.codes, minlength=train.n_words)[: train.n_diseases] + 0.5
    deaths = deaths_of(histories).sum() + 0.5
    # The words of a visit are sorted, and the diseases come first.
    visits = (train.codes[train.code_offsets[:-1]] < train.n_diseases).sum()
    events = np.concatenate([[visits], records, [deaths]])
    rates: np.ndarray = np.log(events / (waiting_days(histories).sum() / DAYS_A_YEAR))
    return rates


def years_weighed(slope: Tensor, years: Tensor | float) -> Tensor:
    """Return the integral of exp(slope · time) from 0 to a number of years."""
    change = slope * years
    small = change.abs() < 1e-3
    safe = torch.where(small, torch.ones_like(change), change)
    return years * torch.where(small, 1 + change / 2, torch.expm1(safe) / safe)


def slopes_of_all(slopes: Tensor, events: int) -> Tensor:
    """Return (m, events), the slope of every event, of (m, 2), those of visits and of death."""
    return torch.cat([slopes[:, :1].expand(-1, events - 1), slopes[:, 1:]], 1)


def expected_events(found: Tensor, years: Tensor) -> Tensor:
    """Return (m, events): expected events in some years after a visit.

    Args:
        found: float32 (m, events + 2), log rates per year, and the slopes of the log rate of
            visits and diseases and of that of death.
        years: float32 (m).
    """
    weighed = years_weighed(found[:, -2:], years[:, None])
    return found[:, :-2].exp() * slopes_of_all(weighed, found.shape[1] - 2)


def negative_log_likelihood(found: Tensor, events: Tensor, years: Tensor) -> Tensor:
    """Return (m): all expected events until then − the log rates of the events that come next.

    Each event has the rate exp(log rate + slope · t) at time t. So those that come next, after a
    time t, contribute their rate then, times exp(−expected events), to the likelihood, and all
    others exp(−expected events), also where follow-up ends at t.

    Args:
        found: float32 (m, events + 2), as of `expected_events`.
        events: float32 (m, events), 1 for those that come next; none where follow-up ends.
        years: float32 (m), the waiting time.
    """
    log_rates = found[:, :-2] + slopes_of_all(found[:, -2:], events.shape[1]) * years[:, None]
    loss: Tensor = expected_events(found, years).sum(1) - (events * log_rates).sum(1)
    return loss


class NextEvents(Forecasting):
    """The negative log likelihood of the next visit and its diseases, or death.

    It is the sum over all visits of a batch's patients, estimated from those that are read, in
    relation to the mean number of visits of a patient. A mean over the visits of each batch would
    give more weight to patients with few visits, and so would batches of patients with few visits,
    whose gradients are scaled down less; the rate of death would be too high. A next visit without
    a diagnosis, which other inputs make, is not an event: it only ends the waiting time.
    `model(**batch)` gives what `expected_events` takes, of a visit, of each disease and of death;
    with `task`, the logits of a task (m, n_diseases). `histories` is what `next_events` returns.
    """

    def order(self, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        """Return the patients in a random order, int64 (n)."""
        return generator.permutation(len(self.train))

    def data(self) -> dict[str, np.ndarray]:
        followed = {"follow_up_end": self.histories.follow_up_end, "deaths": self.deaths}
        return {**super().data(), **followed}

    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        visits, patient = self.drawn(rows, generator)
        own = slice(*np.searchsorted(patient, [part.start, part.stop]))
        visits, patient, read = visits[own], patient[own] - part.start, rows[part]
        every = np.diff(self.train.visit_offsets)
        weights = every[read][patient] / np.bincount(patient)[patient]
        weights /= len(rows) * every.mean()
        return (
            self.collate(self.train, read, visits, patient),
            self.events(visits),
            torch.from_numpy(weights).float(),
        )

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        given, events_and_years, weights = batch
        losses = negative_log_likelihood(model(**given).float(), *events_and_years)
        total: Tensor = (losses * weights).sum()
        return total

    def events(self, visits: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return what comes after visits, float32 (m, n_diseases + 2), and the years until then."""
        diseases = self.labels(visits, self.histories.label_ends[NEXT][visits])
        deaths = torch.from_numpy(self.deaths[visits]).float()[:, None]
        events = torch.cat([diseases.amax(1, keepdim=True), diseases, deaths], 1)
        return events, torch.from_numpy(self.years[visits]).float()

    @cached_property
    def deaths(self) -> np.ndarray:
        """Bool (visits): whether death comes next."""
        return deaths_of(self.histories)

    @cached_property
    def years(self) -> np.ndarray:
        """Float64 (visits): the time from each visit to the next or to the end of follow-up."""
        years: np.ndarray = waiting_days(self.histories) / DAYS_A_YEAR
        return years
