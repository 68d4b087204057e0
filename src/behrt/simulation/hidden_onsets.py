"""When each disease began, given what was recorded: the posterior, by belief propagation.

A disease of a patient is in one of these states: it began before follow-up, within one of `BINS`;
it began on the day of its first record; it begins within one of the parts of the time to forecast;
or it does not begin up to then. (An onset in follow-up is always recorded.) The chance of no onset
up to a day is a product over the disease's causes (`behrt.simulation.onsets`): the spontaneous one,
and one for each parent. So the chance that follows from the parents' distributions is the product
of one mean for each parent, and so is the message that a child sends to a parent: what the child's
state and record say of the parent's onset. Messages pass down the graph of risks and up again.

Patients are the last dimension of every array: sums over states are then sums of whole rows, and
the sums that are the same for all patients are products of matrices. P(onset up to a day) is kept
rather than P(no onset): it is small, so its differences between days are exact enough in float32.
The lags and the effects of age come from tables.

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
_TINY = np.float32(1e-36)
_LONGEST_LAG, _LAG_STEPS = 40.0, 2**15
_LONGEST_LIFE, _AGE_STEPS = 120, 1200


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


@cache
def _lags(shape: float) -> np.ndarray:
    """Return P(a lag is over), a gamma distribution of scale 1, at the steps of a table."""
    over: np.ndarray = gammainc(shape, np.arange(_LAG_STEPS + 1) * (_LONGEST_LAG / _LAG_STEPS))
    return over


def _lag_over(edge: Edge, days: np.ndarray) -> np.ndarray:
    """Return P(the lag is over after some days), from a table: `gammainc` takes much longer."""
    place = np.clip(days * (_LAG_STEPS / _LONGEST_LAG / edge.lag_scale), 0, _LAG_STEPS - 1e-6)
    step = place.astype(np.int64)
    table = _lags(edge.lag_shape)
    low = table[step]
    over: np.ndarray = low + (place - step) * (table[step + 1] - low)
    return over


@cache
def _over_by_bin(shape: float, scale: float) -> np.ndarray:
    """Return float32 (BINS + 1, BINS): the mean over onsets in a bin of P(the lag is over).

    The rows are the ends of the bins.
    """
    places = (np.arange(_WITHIN) + 0.5) / _WITHIN
    since = EDGES[1:, None] + (EDGES[:-1] - EDGES[1:])[:, None] * places
    lag = np.maximum(since - EDGES[:, None, None], 0)
    mean: np.ndarray = gammainc(shape, lag / scale).mean(axis=2)
    return mean.astype(np.float32)


class Tables:
    """What depends only on the process, at steps of age.

    Attributes:
        parameters: of the process.
        share: float32 (diseases, ages), the share of the spontaneous onsets up to an age.
        chance: float32 (edges, 2 * ages), P(the edge's parent causes its child), for men and then
            women.
        edges: the edges of the graph, children in topological order.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        ages = np.arange(_AGE_STEPS + 2) * (_LONGEST_LIFE / _AGE_STEPS)
        middle = ages + ages[1] / 2
        every = np.arange(len(parameters.order))[:, None]
        self.share = spontaneous_share(parameters, every, ages).astype(np.float32)
        self.edges = [edge for child in parameters.order for edge in parameters.edges_into[child]]
        sex = np.array([[False], [True]])
        self.chance = np.array(
            [edge_probability(parameters, edge, sex, middle) for edge in self.edges], np.float32
        ).reshape(len(self.edges), -1)


def _age_place(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the step of an age in the tables, and the part of the way to the next step."""
    place = np.clip(days * (_AGE_STEPS / _LONGEST_LIFE / YEAR), 0, _AGE_STEPS)
    step = place.astype(np.int64)
    return step, (place - step).astype(np.float32)


class Link:
    """An edge of the graph, for some patients.

    Attributes:
        parent, child: the diseases.
        chance: float32 (causing, patients), P(the parent ever causes the child | its state), of the
            states in which a parent can cause it.
        by_bin: float32 (BINS + 1, BINS), P(the lag is over by the end of a bin | the parent's bin).
        later: float32 (1 + parts, causing, patients), P(the lag is over up to each of `ends`); 0
            for a parent with a record, which `later_known` has.
        known: the patients with a record of the parent; `seen`: with one of the child.
        later_known: float32 (1 + parts, known patients), as `later`.
        first: float64 (2, BINS + 1, seen patients), P(the lag is over up to the day before the
            child's first record, and up to that day).
    """

    def __init__(
        self, edge: Edge, chance: np.ndarray, later: np.ndarray, common: "_Common"
    ) -> None:
        x = common.histories
        self.parent, self.child = edge.parent, edge.child
        self.known, self.seen = common.rows[edge.parent], common.rows[edge.child]
        self.by_bin = _over_by_bin(edge.lag_shape, edge.lag_scale)
        self.later = later
        self.chance = chance[common.sex_and_age]
        onset = x.first[self.known, edge.parent]
        age, _ = _age_place(onset - x.birth[self.known])
        sex = x.female[self.known].astype(np.int64)
        self.chance[RECORDED, self.known] = chance.reshape(2, -1)[sex, age]
        later = _lag_over(edge, x.ends[self.known] - onset[:, None]).T
        self.later_known = np.ascontiguousarray(later, np.float32)
        day = x.first[self.seen, edge.child] - np.array([[1.0], [0.0]])
        self.first = np.empty((2, BINS + 1, len(self.seen)))
        self.first[:, :BINS] = _lag_over(edge, day[:, None] - common.middle[:, self.seen])
        # Infinity if there is no record of the parent.
        self.first[:, RECORDED] = _lag_over(edge, day - x.first[self.seen, edge.parent])

    def caused(self, parent: np.ndarray) -> "_Onset":
        """Return P(the parent has caused the child), given the distribution of its state.

        Args:
            parent: float32 (causing, patients).
        """
        acts = parent * self.chance
        made = np.empty((BINS + 1 + len(self.later), acts.shape[1]), np.float32)
        np.matmul(self.by_bin, acts[:BINS], out=made[: BINS + 1])
        np.einsum("sn,esn->en", acts, self.later, out=made[BINS + 1 :])
        made[BINS + 1 :, self.known] += acts[RECORDED, self.known] * self.later_known
        acts = acts[: BINS + 1, self.seen].astype(np.float64)
        return _Onset.of(made, np.einsum("sn,esn->en", acts, self.first))

    def effect(self, days: np.ndarray, first: np.ndarray, made: np.ndarray) -> None:
        """Set (causing, patients) to the sum over days of P(caused by then | the parent's state).

        Args:
            days: float32 (BINS + 1 + 1 + parts, patients), the weights of the days.
            first: float64 (2, seen patients), the same for the days of the first record.
            made: float32, what is set.
        """
        later = days[BINS + 1 :]
        np.einsum("en,esn->sn", later, self.later, out=made)
        made[:BINS] += self.by_bin.T @ days[: BINS + 1]
        made[RECORDED, self.known] += (later[:, self.known] * self.later_known).sum(axis=0)
        made[: BINS + 1, self.seen] += np.einsum("en,esn->sn", first, self.first)
        made *= self.chance


@dataclass(frozen=True)
class _Common:
    """What the links share.

    Attributes:
        histories: of the patients.
        rows: the patients with a record of each disease.
        middle: float64 (BINS, patients), the middle of each bin, from birth on.
        sex_and_age: int64 (causing, patients), the place of sex, and of age at an onset in each
            state, in `Tables.chance`.
    """

    histories: Histories
    rows: list[np.ndarray]
    middle: np.ndarray
    sex_and_age: np.ndarray


@dataclass(frozen=True)
class _Onset:
    """The probability of an onset up to some days, from some causes.

    Attributes:
        days: float32 (BINS + 1 + 1 + parts, patients), up to the ends of the bins, and up to
            `Histories.ends`.
        free: float32, 1 - `days`; both have the precision of float32 where they are small.
        first: float64 (2, recorded patients), up to the day before the first record, and up to that
            day.
    """

    days: np.ndarray
    free: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, days: np.ndarray, first: np.ndarray) -> "_Onset":
        """Return the probability from `days` and `first`."""
        return cls(days, 1 - days, first)

    def either(self, other: "_Onset") -> "_Onset":
        """Return the probability that at least one of two independent causes has acted."""
        days = other.days * self.free
        days += self.days
        first = self.first + other.first * (1 - self.first)
        return _Onset(days, self.free * other.free, first)


class Beliefs:
    """The distribution of the states of every disease of some patients, given their records.

    Attributes:
        risk: float64 (diseases, patients), of a spontaneous onset in a lifetime.
        prior: float32 (diseases, states, patients), P(state | the parents' distributions).
        likelihood: the same shape, of each disease's own record; not normalised.
        message: the same shape, the product of the messages of the disease's children.
        belief: the same shape, the posterior: the normalised product of the three.
        causing: the number of states in which a disease can cause others; they are the first.
        links: the edges of the graph; `into` and `out` have their numbers for each child and for
            each parent.
        sent: float32 (causing + 1, patients), the message of each link; the last value is that of
            all states in which the parent does not cause the child.
        rows: the patients with a record of each disease.
        share: the share of each disease's spontaneous onsets.
    """

    def __init__(self, tables: Tables, histories: Histories, cascades: bool) -> None:
        """Tabulate each edge.

        Args:
            tables: of the process.
            histories: of the patients.
            cascades: whether onsets in the time to forecast cause others.
        """
        x = histories
        self.parameters, self.histories = tables.parameters, x
        count, diseases = x.first.shape
        self.causing = BINS + 1 + (x.parts if cascades else 0)
        self.rows = [np.flatnonzero(np.isfinite(x.first[:, d])) for d in range(diseases)]
        ends = np.ascontiguousarray(x.ends.T)
        lived = x.start - x.birth
        before = (np.clip(lived, EDGES[1:, None], EDGES[:-1, None]) + EDGES[1:, None]) / 2
        onset = np.concatenate(
            [x.start - before, np.zeros((1, count)), (ends[1:] + ends[:-1]) / 2]
        )[: self.causing]
        age, _ = _age_place(onset - x.birth)
        age += x.female * (_AGE_STEPS + 2)
        common = _Common(x, self.rows, onset[:BINS], age)
        later: dict[tuple[float, float], np.ndarray] = {}
        self.links: list[Link] = []
        self.out: list[list[int]] = [[] for _ in range(diseases)]
        self.into: list[list[int]] = [[] for _ in range(diseases)]
        for number, edge in enumerate(tables.edges):
            lag = (edge.lag_shape, edge.lag_scale)
            if lag not in later:
                later[lag] = _lag_over(edge, ends[:, None] - onset).astype(np.float32)
                later[lag][:, RECORDED] = 0
            self.out[edge.parent].append(number)
            self.into[edge.child].append(number)
            self.links.append(Link(edge, tables.chance[number], later[lag], common))
        days = np.concatenate([x.start - 1 - EDGES[:, None], ends])
        step, part = _age_place(days + 1 - x.birth)
        self.share: list[tuple[np.ndarray, np.ndarray]] = []
        for disease, rows in enumerate(self.rows):
            share = tables.share[disease]
            low = share[step]
            first = x.first[rows, disease] + np.array([[0.0], [1.0]]) - x.birth[rows]
            self.share.append(
                (
                    low + part * (share[step + 1] - low),
                    spontaneous_share(self.parameters, np.array([disease]), first / YEAR),
                )
            )
        self._shape = (diseases, x.states, count)

    def begin(self, risk: np.ndarray, likelihood: np.ndarray) -> None:
        """Set the beliefs to those without messages from children.

        Args:
            risk: float64 (diseases, patients), of a spontaneous onset in a lifetime.
            likelihood: float32 (diseases, states, patients).
        """
        self.risk, self.likelihood = risk, likelihood
        self.prior, self.belief = (np.empty(self._shape, np.float32) for _ in range(2))
        self.message = np.ones(self._shape, np.float32)
        self.sent: dict[int, np.ndarray] = {}
        self.pass_down()

    def pass_down(self) -> None:
        """Update the priors and beliefs, from parents to children."""
        self._caused: dict[int, _Onset] = {}
        self._by_parents: dict[int, _Onset | None] = {}
        self._onset: dict[int, _Onset] = {}
        for disease in self.parameters.order.tolist():
            onset: _Onset | None = None
            for number in self.into[disease]:
                self._caused[number] = self.links[number].caused(self._parent(number))
                caused = self._caused[number]
                onset = caused if onset is None else onset.either(caused)
            spontaneous = self._spontaneous(disease)
            self._by_parents[disease] = onset
            self._onset[disease] = spontaneous if onset is None else onset.either(spontaneous)
            prior = self.prior[disease]
            self._set_prior(disease, prior)
            held = prior * self.likelihood[disease] * self.message[disease]
            np.maximum(held, _TINY, out=held)
            np.multiply(held, 1 / held.sum(axis=0), out=self.belief[disease])

    def _spontaneous(self, disease: int) -> _Onset:
        days, first = self.share[disease]
        risk = self.risk[disease]
        return _Onset.of(risk.astype(np.float32) * days, risk[self.rows[disease]] * first)

    def _set_prior(self, disease: int, prior: np.ndarray) -> None:
        """Set (states, patients) to P(state | the parents' distributions)."""
        days, first = self._onset[disease].days, self._onset[disease].first
        rows = self.rows[disease]
        np.subtract(days[1 : BINS + 1], days[:BINS], out=prior[:BINS])
        prior[RECORDED] = 0
        prior[RECORDED, rows] = first[1] - first[0]
        np.subtract(days[BINS + 2 :], days[BINS + 1 : -1], out=prior[RECORDED + 1 : -1])
        np.subtract(1, days[-1], out=prior[-1])
        # Rounding errors may be negative.
        np.maximum(prior, 0, out=prior)
        # A record that nothing explains, such as one with a wrong date, is still possible.
        prior[: RECORDED + 1, rows] += np.float32(_SMALLEST)

    def log_evidence(self, risks: np.ndarray) -> np.ndarray:
        """Return float64 (risks, patients): the log likelihood of the records under other risks.

        The distributions of the parents are those of the last `pass_down`. The likelihood of each
        disease's record is linear in its risk.

        Args:
            risks: float64 (risks, diseases, patients).
        """
        evidence = np.zeros((len(risks), self._shape[2]))
        for disease in range(self._shape[0]):
            rows = self.rows[disease]
            weight, first, never = self._weights(disease, self.likelihood[disease])
            share, share_of_first = self.share[disease]
            caused = self._by_parents[disease]
            none = never.astype(np.float64)
            if caused is not None:
                none += np.einsum("en,en->n", weight, caused.days)
                none[rows] += (first * caused.first).sum(axis=0)
                share = share * caused.free
                share_of_first = share_of_first * (1 - caused.first)
            slope = np.einsum("en,en->n", weight, share).astype(np.float64)
            slope[rows] += (first * share_of_first).sum(axis=0)
            evidence += np.log(np.maximum(none + risks[:, disease] * slope, _SMALLEST))
        return evidence

    def _weights(
        self, disease: int, state: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a sum over states as a sum over days.

        The sum over states of P(state) times a factor is a constant plus the sum over days of
        P(onset up to a day) times a weight. The constant and the weights of `_Onset.days` add up
        to 0.

        Args:
            disease: the disease.
            state: float32 (states, patients), the factors.

        Returns:
            The weights of `_Onset.days` and of `_Onset.first`, and float32 (patients), the
            constant.
        """
        weight = np.empty_like(self.share[disease][0])
        weight[0] = -state[0]
        np.subtract(state[: BINS - 1], state[1:BINS], out=weight[1:BINS])
        weight[BINS] = state[BINS - 1]
        weight[BINS + 1] = -state[RECORDED + 1]
        np.subtract(state[RECORDED + 1 : -1], state[RECORDED + 2 :], out=weight[BINS + 2 :])
        first = state[RECORDED, self.rows[disease]] * np.array([[-1.0], [1.0]])
        return weight, first, state[-1]

    def _parent(self, number: int) -> np.ndarray:
        """Return P(state) of a parent without what this child has sent, of the causing states."""
        belief: np.ndarray = self.belief[self.links[number].parent]
        sent = self.sent.get(number)
        if sent is None:
            return belief[: self.causing]
        other: np.ndarray = belief[: self.causing] / sent[:-1]
        total = other.sum(axis=0) + belief[self.causing :].sum(axis=0) / sent[-1]
        other *= 1 / total
        return other

    def no_onset(self) -> np.ndarray:
        """Return float64 (patients, diseases): P(no onset in the time to forecast | none before).

        Only causes that have begun count: not those that may begin in that time.
        """
        spared = np.ones((self._shape[2], self._shape[0]))
        for disease in range(self._shape[0]):
            free = 1 - self.risk[disease] * self.share[disease][0][[BINS + 1, -1]]
            for number in self.into[disease]:
                link = self.links[number]
                acts = self._parent(number)[: BINS + 1] * link.chance[: BINS + 1]
                caused = np.einsum("sn,esn->en", acts, link.later[[0, -1], : BINS + 1])
                caused[:, link.known] += acts[RECORDED, link.known] * link.later_known[[0, -1]]
                free *= 1 - caused
            spared[:, disease] = free[1] / free[0]
        return spared

    def pass_up(self) -> None:
        """Update the messages, from children to parents."""
        for disease in self.parameters.order[::-1].tolist():
            product = self.message[disease]
            product[:] = 1
            for number in self.out[disease]:
                product[: self.causing] *= self.sent[number][:-1]
                product[self.causing :] *= self.sent[number][-1]
            product *= 1 / np.maximum(product.max(axis=0), _TINY)
            if not self.into[disease]:
                continue
            rows = self.rows[disease]
            weight, first, never = self._weights(disease, self.likelihood[disease] * product)
            onset = self._onset[disease]
            left = weight * onset.free
            weight, never, days = weight[:, rows], never[rows], onset.days[:, rows]
            for number in self.into[disease]:
                caused = self._caused[number]
                # What the other causes leave to this one.
                rest = left / caused.free
                rest_of_first = first * (1 - onset.first) / (1 - caused.first)
                sent = np.empty((self.causing + 1, self._shape[2]), np.float32)
                self.links[number].effect(rest, rest_of_first, sent[:-1])
                # The constant and the weights of the days add up to 0.
                others = -rest.sum(axis=0)
                # The sum is too small to be exact where there is a record.
                by_others = (days - caused.days[:, rows]) / caused.free[:, rows]
                of_first = (onset.first - caused.first) / (1 - caused.first)
                others[rows] = never + (weight * by_others).sum(axis=0)
                others[rows] += (first * of_first).sum(axis=0)
                sent[:-1] += others
                sent[-1] = others
                np.maximum(sent, np.float32(_SMALLEST), out=sent)
                last = self.sent.get(number)
                # Without the last message, the messages around a loop would not settle.
                share = 1 if last is None else 1 - _DAMPING
                sent *= share / sent.max(axis=0)
                if last is not None:
                    last *= _DAMPING
                    sent += last
                self.sent[number] = sent
