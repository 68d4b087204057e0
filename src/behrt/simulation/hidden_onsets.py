"""When each disease began, given what was recorded: the posterior, by belief propagation.

A disease of a patient is in one of these states: it began before follow-up, within one of `BINS`;
it began on the day of its first record; it begins within one of the parts of the time to forecast;
or it does not begin up to then. (An onset in follow-up is always recorded.) The chance of no onset
up to a day is a product over the disease's causes (`behrt.simulation.onsets`): the spontaneous one,
and one for each parent. So the chance that follows from the parents' distributions is the product
of one mean for each parent, and so is the message that a child sends to a parent: what the child's
state and record say of the parent's onset. Messages pass down the graph of risks and up again.

It is exact for a graph without loops. The graph of the diseases has loops, for which belief
propagation counts some evidence twice (Pearl 1988, Probabilistic Reasoning in Intelligent Systems;
Murphy, Weiss and Jordan 1999). `benchmarks/ceiling_of_records.py` measures what that costs.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import gammainc

from behrt.simulation.days import YEAR
from behrt.simulation.onsets import edge_probability, spontaneous_share
from behrt.simulation.world import Edge, Parameters

_YEARS = [2, 3, 4, 5, 7, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 110]
EDGES = np.array(
    [0, 15, 30, 61, 91, 122, 183, 274, 365, 548, *(round(year * YEAR) for year in _YEARS)],
    dtype=np.float64,
)[::-1]
"""Days from the ends of the bins to the start of follow-up, the earliest first."""

BINS = len(EDGES) - 1
BEFORE = (EDGES[:-1] + EDGES[1:]) / 2
"""Days from the middle of each bin to the start of follow-up."""

RECORDED = BINS
"""The state of a disease that began on the day of its first record; the bins come before it."""

_DAMPING = 0.5
_WITHIN = 5
_SMALLEST = 1e-14
_LONGEST_LAG, _LAG_STEPS = 40.0, 2**15


@dataclass(frozen=True)
class Histories:
    """What the messages depend on. Days are float64, since 1970-01-01, one per patient.

    Attributes:
        female: bool.
        birth: the day of birth.
        start: the first day of follow-up.
        ends: float64 (patients, 1 + parts), the last input day, and the last day of each part of
            the time to forecast.
        first: float64 (patients, diseases), the day of the first record, infinity for none.
    """

    female: np.ndarray
    birth: np.ndarray
    start: np.ndarray
    ends: np.ndarray
    first: np.ndarray

    @property
    def parts(self) -> int:
        """The parts of the time to forecast."""
        return int(self.ends.shape[1]) - 1

    @property
    def states(self) -> int:
        """The states of a disease."""
        return BINS + 2 + self.parts


class Link:
    """An edge of the graph, and P(the parent causes the child up to a day | the parent's state).

    Attributes:
        parent, child: the diseases.
        chance: float64 (patients, BINS), P(the parent ever causes the child).
        acted: float64 (BINS, BINS + 1), P(the lag is over by the end of a bin).
        later: float32 (patients, 1 + parts, states - 1), P(caused up to each of `ends`).
        recorded: float64 (recorded patients, 2, BINS + 1), P(caused up to the day before the
            child's first record, and up to that day), of patients with a record of the child.
    """

    def __init__(
        self,
        parameters: Parameters,
        edge: Edge,
        histories: Histories,
        rows: list[np.ndarray],
        cascades: bool,
    ) -> None:
        self.parent, self.child = edge.parent, edge.child
        x = histories
        count, parts = len(x.birth), x.parts
        lived = (x.start - x.birth)[:, None]
        before = (np.clip(lived, EDGES[1:], EDGES[:-1]) + EDGES[1:]) / 2
        female = x.female[:, None]
        age = np.maximum(lived - before, 0) / YEAR
        self.chance = edge_probability(parameters, edge, female, age)
        self.acted = _acted_by_bin(edge)

        days = x.ends[:, :, None]
        self.later = np.zeros((count, 1 + parts, BINS + 1 + parts), dtype=np.float32)
        since = days - x.start[:, None, None] + before[:, None, :]
        self.later[:, :, :BINS] = _table(edge, since) * self.chance[:, None, :]
        known = rows[edge.parent]
        onset = x.first[known, edge.parent]
        certain = np.zeros(count)
        certain[known] = edge_probability(
            parameters, edge, x.female[known], (onset - x.birth[known]) / YEAR
        )
        acted = _table(edge, x.ends[known] - onset[:, None])
        self.later[known, :, RECORDED] = acted * certain[known, None]
        if cascades:
            middle = (x.ends[:, 1:] + x.ends[:, :-1]) / 2
            chance = edge_probability(parameters, edge, female, (middle - x.birth[:, None]) / YEAR)
            acted = _table(edge, days - middle[:, None, :])
            self.later[:, :, RECORDED + 1 :] = acted * chance[:, None, :]

        seen = rows[edge.child]
        day = x.first[seen, edge.child][:, None] - np.array([1.0, 0.0])
        self.recorded = np.zeros((len(seen), 2, BINS + 1))
        since = (day - x.start[seen, None])[:, :, None] + before[seen][:, None, :]
        by = gammainc(edge.lag_shape, np.maximum(since, 0) / edge.lag_scale)
        self.recorded[:, :, :BINS] = by * self.chance[seen][:, None, :]
        onset = np.where(np.isfinite(x.first[seen, edge.parent]), x.first[seen, edge.parent], 1e9)
        by = gammainc(edge.lag_shape, np.maximum(day - onset[:, None], 0) / edge.lag_scale)
        self.recorded[:, :, RECORDED] = by * certain[seen, None]


@cache
def _acted_by_bin(edge: Edge) -> np.ndarray:
    """Return float64 (BINS, BINS + 1): the mean over onsets within a bin of P(the lag is over)."""
    places = (np.arange(_WITHIN) + 0.5) / _WITHIN
    since = EDGES[1:, None] + (EDGES[:-1] - EDGES[1:])[:, None] * places
    lag = np.maximum(since[:, :, None] - EDGES, 0)
    mean: np.ndarray = gammainc(edge.lag_shape, lag / edge.lag_scale).mean(axis=1)
    return mean


@cache
def _lags(shape: float) -> np.ndarray:
    """Return P(a lag is over), a gamma distribution of scale 1, at the steps of a table."""
    lags = np.arange(_LAG_STEPS + 1) * (_LONGEST_LAG / _LAG_STEPS)
    over: np.ndarray = gammainc(shape, lags).astype(np.float32)
    return over


def _table(edge: Edge, days: np.ndarray) -> np.ndarray:
    """Return P(the lag is over after some days), from a table: `gammainc` takes much longer."""
    place = days * (_LAG_STEPS / _LONGEST_LAG / edge.lag_scale) + 0.5
    found: np.ndarray = _lags(edge.lag_shape)[np.clip(place, 0, _LAG_STEPS).astype(np.int32)]
    return found


_Chances = tuple[np.ndarray, np.ndarray, np.ndarray]


def _product(one: _Chances, other: _Chances) -> _Chances:
    return one[0] * other[0], one[1] * other[1], one[2] * other[2]


def by_disease(patients: int, diseases: int, states: int, value: float) -> np.ndarray:
    """Return float64 (patients, diseases, states) of a value, whose diseases are apart in memory.

    Messages pass between diseases, of all patients at once.
    """
    return np.full((diseases, patients, states), value).transpose(1, 0, 2)


class Beliefs:
    """The distribution of the states of every disease of some patients, given their records.

    Attributes:
        risk: float64 (patients, diseases), of a spontaneous onset in a lifetime.
        prior: float64 (patients, diseases, states), P(state | the parents' distributions).
        likelihood: the same shape, of each disease's own record; not normalised.
        message: the same shape, the product of the messages of the disease's children.
        belief: the same shape, the posterior: the normalised product of the three.
        links: the edges of the graph; `into` and `out` have their numbers for each child and for
            each parent.
        sent: float64 (patients, states), the message of each link.
        rows: the patients with a record of each disease.
        share, share_first: the share of each disease's spontaneous onsets up to the ends of the
            bins and up to `Histories.ends`; and up to the day before the first record, and that
            day, of `rows`.
    """

    def __init__(self, parameters: Parameters, histories: Histories, cascades: bool) -> None:
        """Tabulate each edge.

        Args:
            parameters: of the process.
            histories: of the patients.
            cascades: whether onsets in the time to forecast cause others.
        """
        self.parameters, self.histories = parameters, histories
        count, diseases = histories.first.shape
        self.rows = [np.flatnonzero(np.isfinite(histories.first[:, d])) for d in range(diseases)]
        self.links: list[Link] = []
        self.out: list[list[int]] = [[] for _ in range(diseases)]
        self.into: list[list[int]] = [[] for _ in range(diseases)]
        for child in parameters.order:
            for edge in parameters.edges_into[child]:
                self.out[edge.parent].append(len(self.links))
                self.into[child].append(len(self.links))
                self.links.append(Link(parameters, edge, histories, self.rows, cascades))
        days = np.concatenate([histories.start[:, None] - 1 - EDGES, histories.ends], axis=1)
        self.share = [self._shares(d, days, np.arange(count)) for d in range(diseases)]
        self.share_first = [
            self._shares(d, histories.first[rows, d][:, None] - np.array([1.0, 0.0]), rows)
            for d, rows in enumerate(self.rows)
        ]
        self._shape = (count, diseases, histories.states)

    def _shares(self, disease: int, days: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the share of the spontaneous onsets up to days of some patients."""
        age = (days + 1 - self.histories.birth[rows, None]) / YEAR
        return spontaneous_share(self.parameters, np.array([disease]), age)

    def begin(self, risk: np.ndarray, likelihood: np.ndarray) -> None:
        """Set the beliefs to those without messages from children.

        Args:
            risk: float64 (patients, diseases), of a spontaneous onset in a lifetime.
            likelihood: float64 (patients, diseases, states).
        """
        self.risk, self.likelihood = risk, likelihood
        self.prior, self.belief = (by_disease(*self._shape, 0.0) for _ in range(2))
        self.message = by_disease(*self._shape, 1.0)
        self.sent: dict[int, np.ndarray] = {}
        self.pass_down()

    def pass_down(self) -> None:
        """Update the priors and beliefs, from parents to children."""
        self._means: dict[int, _Chances] = {}
        self._spared: dict[int, _Chances] = {}
        for disease in self.parameters.order:
            rows = self.rows[disease]
            spared: _Chances = (np.ones(1), np.ones(1), np.ones(1))
            for number in self.into[disease]:
                link, parent = self.links[number], self._parent(number)
                caused = np.einsum("ns,nes->ne", parent[:, :-1].astype(np.float32), link.later)
                self._means[number] = (
                    1 - (parent[:, :BINS] * link.chance) @ link.acted,
                    1 - caused,
                    1 - np.einsum("ns,nes->ne", parent[rows, : BINS + 1], link.recorded),
                )
                spared = _product(spared, self._means[number])
            self._spared[disease] = spared
            self.prior[:, disease] = self._prior(disease, self.risk)
            held = self.prior[:, disease] * self.likelihood[:, disease] * self.message[:, disease]
            self.belief[:, disease] = held / held.sum(axis=1, keepdims=True)

    def log_evidence(self, risk: np.ndarray) -> np.ndarray:
        """Return float64 (patients): the log likelihood of the records under other risks.

        The distributions of the parents are those of the last `pass_down`.
        """
        evidence = np.zeros(self._shape[0])
        for disease in self.parameters.order:
            held = self._prior(disease, risk) * self.likelihood[:, disease]
            evidence += np.log(held.sum(axis=1))
        return evidence

    def _free(self, disease: int, risk: np.ndarray) -> "_Chances":
        """Return P(no onset) up to the ends of the bins, `ends`, and the first record."""
        rows = self.rows[disease]
        free = 1 - risk[:, disease, None] * self.share[disease]
        first = 1 - risk[rows, disease, None] * self.share_first[disease]
        return _product((free[:, : BINS + 1], free[:, BINS + 1 :], first), self._spared[disease])

    def _prior(self, disease: int, risk: np.ndarray) -> np.ndarray:
        """Return float64 (patients, states): P(state | the parents' distributions)."""
        rows = self.rows[disease]
        bins, ends, first = self._free(disease, risk)
        prior = np.empty((self._shape[0], self._shape[2]))
        prior[:, :BINS] = bins[:, :-1] - bins[:, 1:]
        prior[:, RECORDED] = 0
        prior[rows, RECORDED] = first[:, 0] - first[:, 1]
        prior[:, RECORDED + 1 : -1] = ends[:, :-1] - ends[:, 1:]
        prior[:, -1] = ends[:, -1]
        # A record that nothing explains, such as one with a wrong date, is still possible.
        prior[rows, : RECORDED + 1] += _SMALLEST
        # Rounding errors may be negative.
        return np.maximum(prior, 0)

    def _parent(self, number: int) -> np.ndarray:
        """Return the distribution of a parent's state, without what this child has sent."""
        belief, sent = self.belief[:, self.links[number].parent], self.sent.get(number)
        if sent is None:
            return belief
        other = belief / sent
        distribution: np.ndarray = other / other.sum(axis=1, keepdims=True)
        return distribution

    def no_onset(self) -> np.ndarray:
        """Return float64 (patients, diseases): P(no onset in the time to forecast | none before).

        Only causes that have begun count: not those that may begin in that time.
        """
        spared = np.ones(self._shape[:2])
        for disease in range(self._shape[1]):
            free = 1 - self.risk[:, disease, None] * self.share[disease][:, [BINS + 1, -1]]
            for number in self.into[disease]:
                begun = self._parent(number)[:, : BINS + 1].astype(np.float32)
                later = self.links[number].later[:, [0, -1], : BINS + 1]
                free = free * (1 - np.einsum("ns,nes->ne", begun, later))
            spared[:, disease] = free[:, 1] / free[:, 0]
        return spared

    def pass_up(self) -> None:
        """Update the messages, from children to parents."""
        for disease in self.parameters.order[::-1]:
            product = np.ones((self._shape[0], self._shape[2]))
            for number in self.out[disease]:
                product *= self.sent[number]
            self.message[:, disease] = product
            rows = self.rows[disease]
            weight = self.likelihood[:, disease] * product
            # How the likelihood changes with the chance of no onset up to each day.
            change = (
                np.diff(np.pad(weight[:, :BINS], ((0, 0), (1, 1))), axis=1),
                np.diff(np.pad(weight[:, RECORDED + 1 :], ((0, 0), (1, 0))), axis=1),
                weight[rows, RECORDED, None] * np.array([1.0, -1.0]),
            )
            change = _product(change, self._free(disease, self.risk))
            for number in self.into[disease]:
                link = self.links[number]
                bins, ends, first = (
                    part / mean for part, mean in zip(change, self._means[number], strict=True)
                )
                total = bins.sum(axis=1) + ends.sum(axis=1)
                total[rows] += first.sum(axis=1)
                less = np.zeros((self._shape[0], self._shape[2]))
                less[:, :BINS] = link.chance * (bins @ link.acted.T)
                less[:, :-1] += np.einsum("ne,nes->ns", ends.astype(np.float32), link.later)
                less[rows, : RECORDED + 1] += np.einsum("ne,nes->ns", first, link.recorded)
                sent = np.maximum(total[:, None] - less, 0) + _SMALLEST
                sent /= sent.max(axis=1, keepdims=True)
                # Without the last message, the messages around a loop would not settle.
                last = self.sent.get(number, sent)
                self.sent[number] = _DAMPING * last + (1 - _DAMPING) * sent
