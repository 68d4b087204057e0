"""The best forecast from the records: what follows from the process and what is recorded.

`behrt.simulation.oracle` knows the state of the process. This forecast knows the process (its
parameters, and the practices' factors) but of a patient only what the sequences show up to the last
input visit: sex, year of birth, practice, first day of follow-up, and the diseases recorded on each
day. It averages the oracle's closed forms over what may be the case, given these records:

* when each disease began, recorded or not (`behrt.simulation.hidden_onsets`), weighted by the
  likelihood of what was recorded and of what was not (`behrt.simulation.evidence`);
* which recording of a disease was the last that was due, and whether another follows;
* the offset of the person's reviews (`behrt.simulation.evidence.PHASES` values);
* the person's susceptibility (`_POINTS` values).

Nothing is drawn. The approximations, which make the forecast worse than the best possible one: the
loops of the graph of risks; the susceptibility, the offset of the reviews and the onsets count as
independent of each other given the records; the day of an onset is known up to a bin; a code that
is listed under two diseases is attributed to the likelier one; and whether a visit is an admission
is estimated from nothing but the diseases that it records. So the scores are a lower bound of what
can be reached from records of diagnoses. Other inputs (`behrt.simulation.concepts`) are not read: a
treatment or a marker may show a disease that no diagnosis shows, so with them it is no bound of
either kind. Like the oracle, it accounts neither for the flaws of the delivery nor
for how the task chooses the last input visit. `benchmarks/ceiling_of_records.py` measures its
errors.
"""

from dataclasses import dataclass

import numpy as np

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coding
from behrt.simulation.evidence import (
    PHASES,
    Recorded,
    likelihood,
    phases,
    recorded_of,
    survival,
    unrecorded,
)
from behrt.simulation.hidden_onsets import BEFORE, BINS, RECORDED, Beliefs, Histories, Tables
from behrt.simulation.records import Records
from behrt.simulation.silence import Silence
from behrt.simulation.world import Parameters, World

ROUNDS = 3
"""How often messages pass down and up the graph."""

PARTS = 3
"""The parts of a window, in whose middle an onset in the window is placed."""

_POINTS = 3
_CHUNK = 600
_KNOTS = np.array([0.0, 61, 183, 365, 1096])
_REVIEWS = 9
_GRID = 15
_SMALLEST = 1e-30


def forecast_from_records(
    world: World,
    records: Records,
    window: np.ndarray | None,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float32 (patients, diseases): the probability that each is in the label.

    It is conditional on the records, on follow-up to the end of the window, and on having a label.

    Args:
        world, settings, coding: of the simulation.
        records: of the patients (`behrt.simulation.records.read_records`).
        window: int64 (patients), days to the end of the window; None for the next visit.

    Raises:
        InputError: the risks are not pairwise and additive.
    """
    world.parameters.require_pairwise("the closed form of oracle_records")
    silence = Silence.of(world.parameters, BEFORE, settings)
    tables = Tables(world.parameters)
    count = len(records.day)
    made = np.empty((count, len(world.diseases)), dtype=np.float32)
    for begin in range(0, count, _CHUNK):
        end = min(begin + _CHUNK, count)
        part = records.part(begin, end)
        if window is None:
            made[begin:end] = _next_visit(world, tables, part, silence, settings, coding)
        else:
            found = window_posterior(world, tables, part, window[begin:end], silence, settings)
            made[begin:end] = in_window(world.parameters, found, silence, settings, coding)
    return made


@dataclass(frozen=True)
class _Group:
    """The chronic pairs of a patient and a recorded disease, or the others.

    Attributes:
        pairs: the recordings.
        likelihood: float64 (pairs, phases, BINS + 1, days) (`behrt.simulation.evidence`).
    """

    pairs: Recorded
    likelihood: np.ndarray

    @property
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """The patient and the disease of each pair."""
        return self.pairs.row, self.pairs.disease

    def of(self, states: np.ndarray) -> np.ndarray:
        """Return (pairs, BINS + 1), those states of each pair in which the disease has begun.

        Args:
            states: (diseases, states, patients).
        """
        begun: np.ndarray = states[self.pairs.disease, : RECORDED + 1, self.pairs.row]
        return begun


@dataclass(frozen=True)
class Posterior:
    """What the records say of the state of the process.

    Attributes:
        beliefs: when each disease began.
        flares, reviews: the diseases that are recorded in flare-ups (or rarely again), and those
            that are recorded at reviews.
        phase: float64 (patients, phases), the distribution of the offset of the reviews.
        phase_of_others: float64 (pairs of `reviews`, phases), the same without a disease's own
            records.
    """

    beliefs: Beliefs
    flares: _Group
    reviews: _Group
    phase: np.ndarray
    phase_of_others: np.ndarray


def posterior(
    world: World,
    tables: Tables,
    records: Records,
    ends: np.ndarray,
    until: tuple[np.ndarray, np.ndarray],
    alive: np.ndarray,
    silence: Silence,
    settings: ProcessSettings,
    cascades: bool,
    rounds: int = ROUNDS,
) -> Posterior:
    """Return the posterior of some patients.

    Args:
        world, settings: of the simulation.
        tables: of its process.
        records: of the patients.
        ends: float64 (patients, 1 + parts), the last input day, and the ends of the parts of the
            time to forecast.
        until: float64 (patients, phases or 1, days), the days of `behrt.simulation.evidence`, for
            flare-ups and for reviews.
        alive: float64 (patients), the last day on which each patient is known to live.
        silence: of the process, at `BEFORE`.
        cascades: whether onsets in the time to forecast cause others.
        rounds: how often messages pass down and up the graph.
    """
    parameters = world.parameters
    recording = world.practices.sort("practice")["recording"].to_numpy()[records.practice - 1]
    recorded = recorded_of(parameters, records, recording, settings)
    first = np.full((len(records.day), len(parameters.order)), np.inf)
    first[recorded.row, recorded.disease] = recorded.day[:, 0]
    start = records.start.astype(np.float64)
    histories = Histories(records.female, records.birth, start, ends, first)
    flares, reviews = (
        _Group(
            pairs := recorded.of(np.flatnonzero(parameters.chronic[recorded.disease] == chronic)),
            likelihood(
                parameters, pairs, chronic, start[pairs.row], days[pairs.row], silence, settings
            ),
        )
        for chronic, days in zip((False, True), until, strict=True)
    )
    lived = survival(parameters, histories, alive)
    evidence = unrecorded(parameters, histories, recorded.never_coded, silence)
    evidence *= lived
    evidence[recorded.disease, :, recorded.row] = 0

    def set_evidence(group: _Group, by_phase: np.ndarray) -> None:
        now = np.einsum("pf,pfs->ps", by_phase, group.likelihood[..., 0]) * group.of(lived)
        evidence[group.pairs.disease, : RECORDED + 1, group.pairs.row] = now

    others = np.full((len(reviews.pairs.row), PHASES), 1 / PHASES)
    set_evidence(flares, np.ones((len(flares.pairs.row), 1)))
    set_evidence(reviews, others)
    beliefs = Beliefs(tables, histories, cascades)
    hazard = np.ascontiguousarray(parameters.hazard[records.female.astype(np.int64)].T)
    risks, weight = _spontaneous_risks(hazard, settings)
    beliefs.begin(np.einsum("p,pdn->dn", weight, risks), evidence)
    beliefs.risk = _given_records(beliefs, risks, weight)
    for _ in range(rounds):
        beliefs.pass_up()
        phase, others = _phases_of(beliefs, reviews, len(first))
        set_evidence(reviews, others)
        beliefs.pass_down()
    return Posterior(beliefs, flares, reviews, phase, others)


def _spontaneous_risks(
    hazard: np.ndarray, settings: ProcessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the risks at some susceptibilities, (points, *hazard.shape), and their weights."""
    point, weight = np.polynomial.hermite_e.hermegauss(_POINTS)
    spread = settings.susceptibility_spread
    risks = [-np.expm1(-hazard * np.exp(spread * z - spread**2 / 2)) for z in point]
    return np.stack(risks), weight / weight.sum()


def _given_records(beliefs: Beliefs, risks: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return float64 (diseases, patients): the mean of the risks, given the records."""
    log = beliefs.log_evidence(risks) + np.log(weight)[:, None]
    given = np.exp(log - log.max(axis=0))
    mean: np.ndarray = np.einsum("pn,pdn->dn", given / given.sum(axis=0), risks)
    return mean


def _phases_of(beliefs: Beliefs, reviews: _Group, patients: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distributions of the phase: of each patient, and of each pair without its own."""
    state = reviews.of(beliefs.prior) * reviews.of(beliefs.message)
    own = np.einsum("ps,pfs->pf", state, reviews.likelihood[..., 0])
    own = np.log(np.maximum(own / np.maximum(own.max(axis=1, keepdims=True), _SMALLEST), 1e-4))
    total = np.zeros((patients, PHASES))
    np.add.at(total, reviews.pairs.row, own)

    def normalised(log: np.ndarray) -> np.ndarray:
        weight = np.exp(log - log.max(axis=1, keepdims=True))
        shares: np.ndarray = weight / weight.sum(axis=1, keepdims=True)
        return shares

    return normalised(total), normalised(total[reviews.pairs.row] - own)


def window_posterior(
    world: World,
    tables: Tables,
    records: Records,
    window: np.ndarray,
    silence: Silence,
    settings: ProcessSettings,
    rounds: int = ROUNDS,
) -> Posterior:
    """Return the posterior of some patients, for a forecast of windows (int64, days)."""
    day = records.day.astype(np.float64)
    ends = day[:, None] + window[:, None] * np.arange(PARTS + 1) / PARTS
    until = ends[:, None, [0, -1]]
    alive = day + window
    return posterior(
        world,
        tables,
        records,
        ends,
        (until, until),
        alive,
        silence,
        settings,
        cascades=True,
        rounds=rounds,
    )


def in_window(
    parameters: Parameters,
    found: Posterior,
    silence: Silence,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float64 (patients, diseases): P(in the label of a window | a label)."""
    beliefs = found.beliefs
    window = beliefs.histories.ends[:, -1] - beliefs.histories.ends[:, 0]
    begun = _begun(beliefs)
    onset = beliefs.belief[:, RECORDED + 1 : -1].sum(axis=1).T.astype(np.float64)
    due = _hidden_due(beliefs, silence, window[:, None])[:, :, 0]
    for group, weight in (
        (found.flares, np.ones((len(found.flares.pairs.row), 1))),
        (found.reviews, found.phase_of_others),
    ):
        quiet = np.einsum("pf,pfsd->psd", weight, group.likelihood)
        ratio = quiet[..., 1] / np.maximum(quiet[..., 0], _SMALLEST)
        due[group.place] = (group.of(beliefs.belief) * (1 - ratio)).sum(axis=1)
    gp, hospital, nothing = _recorded(parameters, begun, onset, due, beliefs, window, settings)
    silent = coding.unmapped(np.clip(gp, 0, 1), np.clip(hospital, 0, 1))
    given_a_label: np.ndarray = np.minimum((1 - silent) / (1 - nothing)[:, None], 1)
    return given_a_label


def _begun(beliefs: Beliefs) -> np.ndarray:
    """Return float64 (patients, diseases): P(a disease has begun)."""
    begun: np.ndarray = beliefs.belief[:, : RECORDED + 1].sum(axis=1).T.astype(np.float64)
    return begun


def _hidden_due(beliefs: Beliefs, silence: Silence, days: np.ndarray) -> np.ndarray:
    """Return float64 (patients, diseases, days): P(begun, not recorded so far, and due by then)."""
    histories = beliefs.histories
    due = np.zeros((*histories.first.shape, days.shape[1]))
    followed = histories.ends[:, 0] - histories.start
    silent_now = silence.after(followed)
    silent = silence.mean_after(followed + days.T)
    for disease in range(due.shape[1]):
        hidden = beliefs.belief[disease, :BINS]
        share = hidden / np.maximum(silent_now(disease), _SMALLEST)
        due[:, disease] = (hidden.sum(axis=0) - silent(disease, share)).T
    due[np.isfinite(histories.first)] = 0
    return np.maximum(due, 0)


def _recorded(
    parameters: Parameters,
    begun: np.ndarray,
    onset: np.ndarray,
    due: np.ndarray,
    beliefs: Beliefs,
    window: np.ndarray,
    settings: ProcessSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return P(recorded by a GP), P(recorded in hospital | not by a GP), and P(no visit).

    The first two are float64 (patients, diseases), the third float64 (patients). It follows
    `behrt.simulation.oracle._forecast`, with the probability that a disease has begun.
    """
    coding, chronic = settings.comorbidity_coding, parameters.chronic
    stays = begun * np.where(chronic, -np.expm1(-parameters.admissions * window[:, None]), 0.0)
    admitted = onset * parameters.hospital
    uncoded = np.log1p(-coding * admitted)
    uncoded += np.log1p(-coding * np.where(chronic, stays, due * parameters.hospital))
    others = uncoded.sum(axis=1)[:, None] - uncoded
    comorbid = np.where(chronic, (begun - stays) * -np.expm1(others), 0.0)
    event = onset + np.where(chronic, 0.0, due)
    hospital = event * parameters.hospital + stays + comorbid
    at_home = np.where(chronic, 0.0, hospital)
    gp = np.where(chronic, due + onset * (1 - parameters.hospital), event - at_home)
    gp = gp / np.maximum(1 - at_home, _SMALLEST)
    # Onsets that others cause, and comorbidities, come with another record.
    first = np.maximum(1 - begun, 0) * (1 - beliefs.no_onset())
    nothing: np.ndarray = np.prod((1 - np.minimum(first + due, 1)) * (1 - stays), axis=1)
    return gp, hospital, nothing


def _next_visit(
    world: World,
    tables: Tables,
    records: Records,
    silence: Silence,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float64 (patients, diseases): P(recorded at the next visit | a next visit).

    All but the reviews of recorded diseases have constant rates between `_KNOTS`. The diseases
    that are recorded at reviews share their days.
    """
    parameters = world.parameters
    coding_rate, chronic = settings.comorbidity_coding, parameters.chronic
    day = records.day.astype(np.float64)
    ends = day[:, None] + _KNOTS
    windows = _review_windows(day, settings)
    of_reviews = np.concatenate(
        [np.broadcast_to(day[:, None, None], (len(day), PHASES, 1)), windows[..., 1]], axis=2
    )
    until = (ends[:, None], of_reviews)
    found = posterior(world, tables, records, ends, until, day, silence, settings, cascades=False)
    beliefs = found.beliefs
    begun = _begun(beliefs)
    # P(recorded by a knot): at onset or flare-up, at a first review, and in further admissions.
    events = np.zeros((*begun.shape, len(_KNOTS)))
    events[:, :, 1:] = beliefs.belief[:, RECORDED + 1 : -1].transpose(2, 0, 1).cumsum(axis=2)
    hidden = _hidden_due(beliefs, silence, np.broadcast_to(_KNOTS, (len(day), len(_KNOTS))))
    first_review = np.where(chronic[:, None], hidden, 0.0)
    events += hidden - first_review
    flares = found.flares
    ratio = flares.likelihood[:, 0] / np.maximum(flares.likelihood[:, 0, :, :1], _SMALLEST)
    events[flares.place] = np.einsum("ps,psd->pd", flares.of(beliefs.belief), 1 - ratio)
    rate = np.where(chronic, parameters.admissions, 0.0)[:, None]
    stays = begun[:, :, None] * -np.expm1(-rate * _KNOTS)

    def per_interval(recorded: np.ndarray) -> np.ndarray:
        """Return the cumulative hazard in each interval."""
        return np.diff(-np.log1p(-np.minimum(recorded, 1 - 1e-9)), axis=2)

    onset_or_flare, at_review, in_hospital = map(per_interval, (events, first_review, stays))
    hazard = (onset_or_flare + at_review + in_hospital).sum(axis=1)
    grid = np.arange(0, _KNOTS[-1] + _GRID, _GRID)
    passed = np.concatenate([np.zeros((len(day), 1)), hazard.cumsum(axis=1)], axis=1)
    interval = np.clip(np.searchsorted(_KNOTS, grid, side="right") - 1, 0, len(_KNOTS) - 2)
    part = np.clip((grid - _KNOTS[interval]) / np.diff(_KNOTS)[interval], 0, 1)
    none_else = np.exp(-(passed[:, interval] + part * hazard[:, interval]))

    # Reviews of recorded diseases: P(recorded at each | none before), by pair and phase.
    reviews = found.reviews
    state = reviews.of(beliefs.prior) * reviews.of(beliefs.message)
    quiet = np.einsum("ps,pfsd->pfd", state, reviews.likelihood)
    made = 1 - quiet[..., 1:] / np.maximum(quiet[..., :-1], _SMALLEST)
    made = np.clip(made, 0, 1 - 1e-9)
    none = np.zeros((len(day), PHASES, _REVIEWS))
    np.add.at(none, reviews.pairs.row, np.log1p(-made))
    some = -np.expm1(none)
    # The share of each review's window that is over at each day of the grid.
    opens, closes = windows[..., 0], windows[..., 1]
    held = (day[:, None, None, None] + grid - opens[..., None]) / (closes - opens)[..., None]
    held = np.clip(held, 0, 1)
    none_so_far = np.prod(1 - some[..., None] * held, axis=2)
    middle = (none_else[:, 1:] + none_else[:, :-1]) / 2
    shares = np.diff(held, axis=3)
    before = np.cumprod(np.concatenate([np.ones_like(some[..., :1]), 1 - some], axis=2), axis=2)
    reached = before[..., :-1] * np.einsum("nfrg,ng->nfr", shares, middle)
    free = none_else * np.einsum("nf,nfg->ng", found.phase, none_so_far)

    # Time at risk in each interval, as a share of its length if nobody had a visit.
    at_risk = np.zeros_like(hazard)
    weight = (free[:, 1:] + free[:, :-1]) / 2 * _GRID
    of_interval = np.clip(interval[:-1], 0, len(_KNOTS) - 2)
    for place in range(hazard.shape[1]):
        chosen = weight[:, of_interval == place]
        at_risk[:, place] = chosen.sum(axis=1) / (chosen.shape[1] * _GRID)
    event, review, stay = (
        np.einsum("ndk,nk->nd", part, at_risk) for part in (onset_or_flare, at_review, in_hospital)
    )
    hospital = event * parameters.hospital + stay
    gp = event * (1 - parameters.hospital) + review
    with_phase = found.phase[reviews.pairs.row, :, None] * reached[reviews.pairs.row]
    gp[reviews.place] += (made * with_phase).sum(axis=(1, 2))
    others = hospital.sum(axis=1)[:, None] - hospital
    hospital += np.where(chronic, coding_rate * begun * others, 0.0)
    given_a_visit = coding.mapped_once(gp, hospital) / (1 - free[:, -1:])
    label: np.ndarray = np.minimum(given_a_visit, 1)
    return label


def _review_windows(day: np.ndarray, settings: ProcessSettings) -> np.ndarray:
    """Return float64 (patients, phases, reviews, 2): first and last day of the coming reviews.

    A review may be on any day of its window. The first day of the one that is open is `day`.
    """
    spacing = settings.review_spacing
    phase = phases(settings)[:, None]
    width = max(spacing / 2, 1)
    number = np.floor((day[:, None, None] - phase - width) / spacing) + 1
    opens = phase + (number + np.arange(_REVIEWS)) * spacing
    closes = opens + width
    return np.stack([np.maximum(opens, day[:, None, None]), closes], axis=3)
