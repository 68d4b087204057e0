"""How likely the records of each disease are, for each day on which it may have begun."""

from dataclasses import dataclass

import numpy as np

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import YEAR, pack
from behrt.simulation.hidden_onsets import BEFORE, BINS, RECORDED, Histories
from behrt.simulation.onsets import fatal_probability
from behrt.simulation.records import Records
from behrt.simulation.silence import Silence, no_flare_up, no_review
from behrt.simulation.world import Parameters

PHASES = 12
_FLAW = 1e-9
_SHARED_REVIEW = 0.8


@dataclass(frozen=True)
class Recorded:
    """The recordings of each disease of each patient who has any, one element per pair.

    Attributes:
        row, disease: int64, the pair; sorted.
        count: int64, its recordings.
        day: int64 (pairs, most recordings), their days, ascending.
        other: float64, as `day`: P(recorded on that day without being due).
        shared: float64, as `day`: how much likelier a review is on that day, as other diseases
            were reviewed.
        chance: float64, P(a review records the disease).
        quiet: float64, log P(no admission for another disease coded it before its first record).
        never_coded: float64 (patients), the same for the whole record.
    """

    row: np.ndarray
    disease: np.ndarray
    count: np.ndarray
    day: np.ndarray
    other: np.ndarray
    shared: np.ndarray
    chance: np.ndarray
    quiet: np.ndarray
    never_coded: np.ndarray

    def of(self, chosen: np.ndarray) -> "Recorded":
        """Return some pairs."""
        return Recorded(
            self.row[chosen],
            self.disease[chosen],
            self.count[chosen],
            self.day[chosen],
            self.other[chosen],
            self.shared[chosen],
            self.chance[chosen],
            self.quiet[chosen],
            self.never_coded,
        )


def recorded_of(
    parameters: Parameters, records: Records, recording: np.ndarray, settings: ProcessSettings
) -> Recorded:
    """Return the recordings by patient and disease.

    The setting of a record is not known. A visit is an admission with a probability that depends on
    the diseases that it records. It is an approximation: whether they are due is not considered.

    Args:
        parameters, settings: of the process.
        records: of the patients.
        recording: float64 (patients), the factors of their practices.
    """
    row, disease, on = records.row, records.disease, records.on
    diseases = len(parameters.order)
    pair, begins, count = np.unique(row * diseases + disease, return_index=True, return_counts=True)
    number = np.arange(len(row)) - np.repeat(begins, count)
    chronic = parameters.chronic[disease]
    again = chronic & (number > 0)
    rate = np.where(chronic, parameters.admissions[disease], 0.0)
    admission = rate / (rate + 1 / parameters.interval[disease])
    admitted = np.where(again, admission, parameters.hospital[disease])
    at_home = np.log1p(-np.minimum(admitted, 1 - 1e-6))
    visit, of_visit = np.unique(pack(row, on), return_inverse=True)
    no_admission = np.bincount(of_visit, at_home)
    elsewhere = -np.expm1(np.minimum(no_admission[of_visit] - at_home, 0))
    reviewed = np.bincount(of_visit, again)[of_visit] - again
    likelier = 1 + _SHARED_REVIEW * (max(settings.review_spacing / 2, 1) - 1)

    def matrix(values: np.ndarray, fill: float) -> np.ndarray:
        by_pair = np.full((len(pair), count.max(initial=1)), fill, dtype=values.dtype)
        by_pair[np.repeat(np.arange(len(pair)), count), number] = values
        return by_pair

    # Admissions of each patient that did not code a disease, before its first record.
    uncoded = np.log1p(settings.comorbidity_coding * np.expm1(no_admission))
    cumulative = np.concatenate([[0.0], np.cumsum(uncoded)])
    of_patient = np.searchsorted(visit, pack(np.arange(len(records.day) + 1), np.full(1, -(2**19))))
    before = np.searchsorted(visit, pack(row[begins], on[begins]))
    return Recorded(
        row[begins],
        disease[begins],
        count,
        matrix(on, 0),
        matrix(rate + np.where(chronic, settings.comorbidity_coding * elsewhere, 0.0), 0.0),
        matrix(np.where(again & (reviewed > 0), likelier, 1.0), 1.0),
        parameters.review_probability(
            disease[begins], recording[row[begins]], settings.review_spacing
        ),
        cumulative[before] - cumulative[of_patient[row[begins]]],
        np.diff(cumulative[of_patient]),
    )


def phases(settings: ProcessSettings) -> np.ndarray:
    """Return float64 (PHASES): the offsets of reviews that are distinguished, in days."""
    return (np.arange(PHASES) + 0.5) * settings.review_spacing / PHASES


def likelihood(
    parameters: Parameters,
    pairs: Recorded,
    chronic: bool,
    start: np.ndarray,
    until: np.ndarray,
    silence: Silence,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return float64 (pairs, phases, BINS + 1, days): the likelihood of the recordings.

    It is that of the recordings up to the last input day, and of no due recording from then up to
    each of `until`, for each bin of the onset, and for an onset on the day of the first record. It
    is divided by a factor of each pair.

    A recording is due (the onset, a flare-up, a review) or not (a further admission, a coded
    comorbidity). The sum over what is due is by recursion from the last recording: the next due
    recording depends only on the last.

    Args:
        parameters, settings: of the process.
        pairs: of diseases that are recorded at reviews, or of the others.
        chronic: whether they are recorded at reviews. The phases are then those of `phases`;
            otherwise there is one.
        start: float64 (pairs), the first day of follow-up.
        until: float64 (pairs, phases or 1, days); the first is the last input day.
        silence: of the process, at `BEFORE`.
    """
    order = np.argsort(-pairs.count, kind="stable")
    back = np.argsort(order)
    pairs, start, until = pairs.of(order), start[order], until[order]
    phase = phases(settings) if chronic else np.zeros(1)
    most = pairs.day.shape[1]
    having = [int((pairs.count > number).sum()) for number in range(most + 1)]

    def no_more(number: int, days: np.ndarray) -> np.ndarray:
        """Return P(none due up to some days | due at this recording), of those who have it."""
        count = len(days)
        disease = pairs.disease[:count, None, None]
        last = pairs.day[:count, number, None, None]
        if not chronic:
            return no_flare_up(parameters, disease, days - last)
        chance = pairs.chance[:count, None, None]
        return no_review(parameters, disease, chance, last, days, phase[None, :, None], settings)

    # Likelihood of what follows a due recording.
    follows = np.zeros((most, len(order), len(phase), until.shape[2]))
    for number in reversed(range(most)):
        count = having[number]
        total = np.zeros(follows.shape[1:])[:count]
        passed = np.ones((count, 1, 1))
        for later in range(number + 1, most):
            some = having[later]
            if some == 0:
                break
            days = pairs.day[:some, later, None, None] - np.array([1, 0])
            quiet = no_more(number, days)
            due = (quiet[:, :, :1] - quiet[:, :, 1:]) * pairs.shared[:some, later, None, None]
            total[:some] += passed[:some] * (due + _FLAW) * follows[later, :some]
            passed[:some] *= pairs.other[:some, later, None, None]
        follows[number, :count] = total + passed * no_more(number, until[:count])

    made = np.empty((len(order), len(phase), BINS + 1, until.shape[2]))
    made[:, :, RECORDED] = follows[0]
    hidden = made[:, :, :BINS]
    hidden[:] = 0
    passed = np.ones((len(order), 1, 1, 1))
    for number in range(most):
        some = having[number]
        day = pairs.day[:some, number]
        due = silence.broken(pairs.disease[:some], day - start[:some])
        due = (due * pairs.shared[:some, number, None])[:, None, :, None]
        if chronic:
            moved = np.mod(day[:, None] - phase, settings.review_spacing)
            # Reviews are on half of the days.
            due = due * (2 * (moved < settings.review_spacing / 2))[:, :, None, None]
        hidden[:some] += passed[:some] * due * follows[number, :some, :, None, :]
        passed[:some] *= pairs.other[:some, number, None, None, None]
    for place in range(until.shape[2]):
        days = np.broadcast_to(until[:, :, place], (len(order), len(phase)))
        for column in range(len(phase)):
            if column == 0 or until.shape[1] > 1:
                silent = silence.until(pairs.disease, days[:, column] - start)
            hidden[:, column, :, place] += passed[:, 0, 0] * silent
    if chronic:
        missed = parameters.admissions[pairs.disease] * (pairs.day[:, 0] - start)
        hidden *= np.exp(pairs.quiet - missed)[:, None, None, None]
    made /= made[..., 0].max(axis=(1, 2))[:, None, None, None]
    return made[back]


def unrecorded(
    parameters: Parameters, histories: Histories, never_coded: np.ndarray, silence: Silence
) -> np.ndarray:
    """Return float32 (diseases, states, patients): the likelihood of no record of a disease.

    Args:
        parameters: of the process.
        histories: of the patients.
        never_coded: float64 (patients), log P(no admission for another disease coded it).
        silence: of the process, at `BEFORE`.
    """
    count, diseases = histories.first.shape
    made = np.ones((diseases, histories.states, count), np.float32)
    made[:, RECORDED] = 0
    followed = histories.ends[:, 0] - histories.start
    silent = silence.after(followed)
    for disease in range(diseases):
        made[disease, :BINS] = silent(disease)
        if parameters.chronic[disease]:
            made[disease, :BINS] *= np.exp(
                never_coded - parameters.admissions[disease] * followed, dtype=np.float32
            )
    return made


def survival(parameters: Parameters, histories: Histories, alive: np.ndarray) -> np.ndarray:
    """Return float32 (diseases, states, patients): P(the disease is not fatal up to a day).

    It does not account for the fact that onsets which are fatal before registration are drawn again
    (`behrt.simulation.onsets`).

    Args:
        parameters: of the process.
        histories: of the patients.
        alive: float64 (patients), the last day on which each patient is known to live.
    """
    x = histories
    patients, diseases = x.first.shape
    made = np.ones((diseases, x.states, patients), np.float32)
    first = np.where(np.isfinite(x.first), x.first, 0)
    onset = np.concatenate(
        [x.start - BEFORE[:, None], np.zeros((1, patients)), (x.ends[:, 1:] + x.ends[:, :-1]).T / 2]
    )
    for disease in np.flatnonzero(parameters.fatality > 0):
        onset[RECORDED] = first[:, disease]
        age = (onset - x.birth) / YEAR
        fatal = fatal_probability(parameters, int(disease), age)
        left = np.maximum(alive - onset, 0)
        dead = -np.expm1(-left / max(parameters.fatal_scale[disease], 1.0))
        made[disease, :-1] = 1 - fatal * dead
    return made
