"""Learn what comes next, and when, after every visit: competing exponential waiting times."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from behrt.errors import InputError
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

    Half an event is added for each disease and for death, so that the log is finite.
    """
    train = histories.examples
    records = np.bincount(train.codes, minlength=train.n_diseases) + 0.5
    deaths = deaths_of(histories).sum() + 0.5
    events = np.concatenate([[len(train.visit_day)], records, [deaths]])
    rates: np.ndarray = np.log(events / (waiting_days(histories).sum() / DAYS_A_YEAR))
    return rates


def negative_log_likelihood(log_rates: Tensor, events: Tensor, years: Tensor) -> Tensor:
    """Return (m): total rate · waiting time − the log rates of the events that come next.

    Each event waits for an exponential time. So those that come next, after a time t, contribute
    rate · exp(−rate · t) to the likelihood, and all others exp(−rate · t), also where follow-up
    ends at t.

    Args:
        log_rates: float32 (m, events), per year.
        events: float32 (m, events), 1 for those that come next; none where follow-up ends.
        years: float32 (m), the waiting time.
    """
    loss: Tensor = log_rates.exp().sum(1) * years - (events * log_rates).sum(1)
    return loss


class NextEvents(Forecasting):
    """The negative log likelihood of the next visit and its diseases, or death.

    It is the sum over all visits of a batch's patients, estimated from those that are read, in
    relation to the mean number of visits of a patient. A mean over the visits of each batch would
    give more weight to patients with few visits, so that the rate of death would be too high.
    `model(**batch)` gives log rates (m, n_diseases + 2), of a
    visit, of each disease and of death, per year; with `task`, the logits of a task
    (m, n_diseases). `histories` is what `next_events` returns.
    """

    def data(self) -> dict[str, np.ndarray]:
        followed = {"follow_up_end": self.histories.follow_up_end, "deaths": self.deaths}
        return {**super().data(), **followed}

    def loss(
        self, model: nn.Module, fabric: Fabric, rows: np.ndarray, generator: np.random.Generator
    ) -> Tensor:
        visits, patient = self.drawn(rows, generator)
        batch = fabric.to_device(self.collate(self.train, rows, visits, patient))
        log_rates = model(**batch).float()
        events_and_years = fabric.to_device(self.events(visits))
        losses = negative_log_likelihood(log_rates, *events_and_years)
        every = np.diff(self.train.visit_offsets)
        weights = every[rows][patient] / np.bincount(patient)[patient]
        weights /= len(rows) * every.mean()
        total: Tensor = (losses * fabric.to_device(torch.from_numpy(weights).float())).sum()
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
