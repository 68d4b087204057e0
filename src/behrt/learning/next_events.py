"""Learn what comes next, and when, after every visit: competing exponential waiting times."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

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


def log_rates_of_all(histories: Histories) -> np.ndarray:
    """Return float64 (1 + n_diseases): log of visits, and of records of each disease, per year.

    Half a record is added for each disease, so that the log of one without a record is finite.
    """
    train = histories.examples
    records = np.bincount(train.codes, minlength=train.n_diseases) + 0.5
    events = np.concatenate([[len(train.visit_day)], records])
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
    """The negative log likelihood of the next visit and its diseases, mean over the visits read.

    `model(**batch)` gives log rates (m, 1 + n_diseases), of a visit and of each disease, per year;
    with `task`, the logits of a task (m, n_diseases). `histories` is what `next_events` returns.
    """

    def data(self) -> dict[str, np.ndarray]:
        return {**super().data(), "follow_up_end": self.histories.follow_up_end}

    def loss(
        self, model: nn.Module, fabric: Fabric, rows: np.ndarray, generator: np.random.Generator
    ) -> Tensor:
        visits, patient = self.drawn(rows, generator)
        batch = fabric.to_device(self.collate(self.train, rows, visits, patient))
        diseases = self.labels(visits, self.histories.label_ends[NEXT][visits])
        events = torch.cat([diseases.amax(1, keepdim=True), diseases], 1)
        years = torch.from_numpy(self.years[visits]).float()
        log_rates = model(**batch).float()
        return negative_log_likelihood(log_rates, *fabric.to_device((events, years))).mean()

    @cached_property
    def years(self) -> np.ndarray:
        """Float64 (visits): the time from each visit to the next or to the end of follow-up."""
        years: np.ndarray = waiting_days(self.histories) / DAYS_A_YEAR
        return years
