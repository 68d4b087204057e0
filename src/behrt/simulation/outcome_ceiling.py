"""The ceiling of an outcome: its true risks, given the whole state at the prediction.

A first admission has a closed form (`behrt.simulation.oracle`). For another event, the process is
continued many times from the day of each prediction (`behrt.simulation.continuation`), and the
event is looked for as its label is made (`behrt.outcomes.labels`). Deaths from other causes than
the diseases are not drawn: each continuation counts with the probability of being alive. The noise
of few continuations makes the scores of these risks a little lower than those of the truth.

Only this stage and `behrt.simulation.ceiling` read what was simulated for each patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coder
from behrt.simulation.continuation import Continuations, continue_process
from behrt.simulation.days import YEAR
from behrt.simulation.oracle import no_admission
from behrt.simulation.people import alive_on
from behrt.simulation.process import Block
from behrt.simulation.visits import stay_probability
from behrt.simulation.world import World

NEVER = 2**31 - 1
_CONTINUATIONS = 1_000_000
_FEWEST, _MOST = 20, 100


def continuations_of(predictions: int) -> int:
    """Return the number of continuations of each of some predictions, for a bounded total.

    >>> [continuations_of(n) for n in (1_000, 20_000, 100_000)]
    [100, 50, 20]
    """
    return min(max(_CONTINUATIONS // max(predictions, 1), _FEWEST), _MOST)


@dataclass(frozen=True)
class Asked:
    """Predictions of an outcome, one element each.

    Attributes:
        truth: of the patients, one row per prediction (`behrt.simulation.ceiling.read_truth`).
        day: int64, of the prediction, since 1970-01-01.
        until: int64, the last day of the window.
        admitted: int64, the day of admission to the stay that ends on the day of the prediction;
            None if the predictions are not made at discharges.
    """

    truth: Block
    day: np.ndarray
    until: np.ndarray
    admitted: np.ndarray | None = None

    def alive(self, rows: np.ndarray, day: np.ndarray, settings: ProcessSettings) -> np.ndarray:
        """Return the probability that no other cause of death comes before a day."""
        people = self.truth.people[rows]
        female = people["sex"].to_numpy() == 2
        birth = people["birth_day"].to_numpy().astype(np.float64)
        return alive_on(female, birth, self.day[rows], day, settings)

    def stay_probability(self, admitted_next: np.ndarray | bool) -> np.ndarray:
        """Return the probability that the stay ends on the day of the prediction, float64.

        A stay ends at the latest on the day before the next admission.

        Args:
            admitted_next: whether the next admission is on the next day.
        """
        if self.admitted is None:
            return np.ones(len(self.day))
        age = (self.admitted - self.truth.people["birth_day"].to_numpy()) / YEAR
        exactly, longer = stay_probability(self.day - self.admitted, age)
        return np.where(admitted_next, longer, exactly)


def true_risks(
    world: World,
    asked: Asked,
    outcome: OutcomeSettings,
    events: Sequence[int],
    copies: int,
    seed: int,
    settings: ProcessSettings,
    coder: Coder,
) -> np.ndarray:
    """Return float64 (n): the probability of the event after each prediction.

    It does not account for the flaws of the delivery, nor for how a random visit is drawn
    (`behrt.simulation.ceiling.forecast`).

    Args:
        world, settings, coder: of the simulation.
        asked: the predictions.
        outcome: whose event it is.
        events: phenotypes of which any is the event; none for another event.
        copies: continuations per prediction.
        seed: of the continuations.
    """
    first_admission = not events and outcome.event != "death" and outcome.at_least == 1
    if first_admission and world.parameters.pairwise:
        return _first_admission(world, asked, outcome.event == "emergency_admission", settings)
    random = np.random.default_rng([seed, 4])
    happens, total = np.zeros(len(asked.day)), np.zeros(len(asked.day))
    at_once, not_at_once = asked.stay_probability(True), asked.stay_probability(False)
    for one in continue_process(
        world, asked.truth, asked.day, asked.until, copies, seed, settings, coder, False
    ):
        rows = one.patients
        if outcome.event == "death":
            after = asked.until[rows] + 1
            chance = 1 - asked.alive(rows, after, settings) * (one.death >= after)
        else:
            day = _event_day(one, asked.until[rows], outcome, events, random)
            comes = day < NEVER
            chance = comes * asked.alive(rows, np.where(comes, day, asked.day[rows]), settings)
        weight = np.where(_admitted_next(one, asked.day), at_once[rows], not_at_once[rows])
        happens += np.bincount(rows, weight * chance, len(happens))
        total += np.bincount(rows, weight, len(total))
    risks: np.ndarray = happens / total
    return risks


def _event_day(
    one: Continuations,
    until: np.ndarray,
    outcome: OutcomeSettings,
    events: Sequence[int],
    random: np.random.Generator,
) -> np.ndarray:
    """Return int64 (continuations): the day of the event, by which nobody has died, or `NEVER`."""
    if events:
        row, day = one.row, one.day
        counted = np.isin(one.phenotype, events)
    else:
        row, day = one.stay_row, one.stay_day
        counted = np.ones(len(row), dtype=bool)
        if outcome.event == "emergency_admission":
            counted = random.random(len(row)) < one.stay_emergency
    counted &= (day <= until[row]) & (day <= one.death[row])
    row, day = row[counted], day[counted]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    found = np.full(len(until), NEVER)
    chosen = place == outcome.at_least - 1
    found[row[chosen]] = day[chosen]
    return found


def _admitted_next(one: Continuations, day: np.ndarray) -> np.ndarray:
    """Return bool (continuations): whether a stay begins on the day after the prediction."""
    found = np.zeros(len(one.patients), dtype=bool)
    found[one.stay_row[one.stay_day == day[one.patients[one.stay_row]] + 1]] = True
    return found


def _first_admission(
    world: World, asked: Asked, emergency: bool, settings: ProcessSettings
) -> np.ndarray:
    """Return float64 (n): the probability of an admission, in closed form.

    Deaths from other causes count as in the middle of the window; fatal diseases do not prevent
    admissions, which matters in long windows only.
    """
    rows = np.arange(len(asked.day))
    window = asked.until - asked.day

    def none(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return no_admission(world, asked.truth, rows, asked.day, days, settings)

    kind = int(emergency)
    none_at_once, none_later = none(np.ones_like(window)), none(window)[kind]
    any_at_once, counted_at_once = 1 - none_at_once[0], 1 - none_at_once[kind]
    later = 1 - none_later / none_at_once[kind]
    later *= asked.alive(rows, asked.day + 1 + window // 2, settings)
    # A stay may have ended because of an admission on the next day.
    at_once = any_at_once * asked.stay_probability(True)
    otherwise = (1 - any_at_once) * asked.stay_probability(False)
    share = counted_at_once / any_at_once
    risks: np.ndarray = (at_once * (share + (1 - share) * later) + otherwise * later) / (
        at_once + otherwise
    )
    return risks
