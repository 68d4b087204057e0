"""How long a disease that has begun stays unrecorded, for people whose states are not known.

`no_flare_up` and `no_review` give the time from one recording to the next. `Silence` gives the time
from the start of follow-up to the first recording of a disease that began before.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import MONTH
from behrt.simulation.world import Parameters

_STEP = MONTH / 2
_LONGEST_BEFORE = 30 * 24
_LONGEST_AFTER = 24 * 24
_KNOTS = np.unique(
    np.round(np.concatenate([np.arange(6), np.geomspace(6, _LONGEST_AFTER, 36)]))
).astype(np.int64)


def no_flare_up(parameters: Parameters, disease: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return P(no flare-up in some days after the last); broadcasts its arguments."""
    refractory = parameters.refractory[disease]
    scale = parameters.interval[disease] - refractory
    waiting = np.exp(-np.maximum(days - refractory, 0) / scale)
    quiet: np.ndarray = 1 - parameters.continues[disease] * (1 - waiting)
    return quiet


def no_review(
    parameters: Parameters,
    disease: np.ndarray,
    chance: np.ndarray,
    last: np.ndarray,
    until: np.ndarray,
    phase: np.ndarray,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return P(no review up to a day records the disease | its last recording); broadcasts.

    The days to which reviews are moved (`behrt.simulation.recordings.review_day`) are not known.

    Args:
        parameters, settings: of the process.
        disease: int64.
        chance: P(a review after the refractory time records the disease).
        last, until: days.
        phase: offset of the person's reviews, in days.
    """
    spacing = settings.review_spacing
    earliest = np.ceil((last + parameters.refractory[disease] - phase) / spacing)
    number = np.floor((until - phase) / spacing)
    moved = np.minimum((until - phase - number * spacing + 1) / max(spacing / 2, 1), 1)
    held = np.where(number >= earliest, moved, 0.0)
    waiting = (1 - chance) ** np.maximum(number - earliest, 0) * (1 - chance * held)
    quiet: np.ndarray = 1 - parameters.continues[disease] * (1 - waiting)
    return quiet


def _no_recording(
    parameters: Parameters, days: np.ndarray, settings: ProcessSettings
) -> np.ndarray:
    """Return float64 (diseases, days): P(no recording in some days after the last).

    The phase of the reviews is uniform, and the practice's factor 1.
    """
    every = np.arange(len(parameters.order))[:, None]
    spacing = settings.review_spacing
    chance = parameters.review_probability(every, np.ones_like(every), spacing)
    # Reviews are moved by a quarter of the spacing on average.
    reviews = np.maximum((days - parameters.refractory[every]) / spacing - 0.25, 0)
    held = np.floor(reviews)
    waiting = (1 - chance) ** held * (1 - chance * (reviews - held))
    review = 1 - parameters.continues[every] * (1 - waiting)
    return np.where(parameters.chronic[every], review, no_flare_up(parameters, every, days))


@dataclass(frozen=True)
class Silence:
    """P(not recorded from the start of follow-up on | onset so many days before).

    Attributes:
        table: float64 (diseases, onsets, knots).
    """

    table: np.ndarray

    @classmethod
    def of(cls, parameters: Parameters, before: np.ndarray, settings: ProcessSettings) -> "Silence":
        """Tabulate it by renewal, for onsets `before` (float64, days) the start of follow-up.

        Onsets more than 30 years before count as 30 years before. Chronic diseases that began
        before records start are recorded from their onset on like others
        (`behrt.simulation.recordings.reviews` starts them again).
        """
        days = np.arange(_LONGEST_BEFORE + _LONGEST_AFTER + 2) * _STEP
        quiet = _no_recording(parameters, days, settings)
        waits = -np.diff(quiet, axis=1)
        # The expected number of recordings in each step after the onset.
        expected = np.ones((len(quiet), 1 + _LONGEST_BEFORE))
        for step in range(1, 1 + _LONGEST_BEFORE):
            expected[:, step] = np.einsum("ds,ds->d", expected[:, :step], waits[:, step - 1 :: -1])
        # Sums of the same length for all onsets, so that they are one product of matrices.
        steps = np.minimum(np.round(before / _STEP), _LONGEST_BEFORE).astype(np.int64)
        padded = np.pad(expected[:, ::-1], ((0, 0), (0, _LONGEST_BEFORE)))
        from_ = (_LONGEST_BEFORE - steps)[:, None] + np.arange(1 + _LONGEST_BEFORE)
        later = _KNOTS[:, None] + np.arange(1 + _LONGEST_BEFORE)
        table = np.stack(
            [past[from_] @ after[later].T for past, after in zip(padded, quiet, strict=True)]
        )
        return cls(np.minimum(table, 1))

    def until(self, disease: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return float64 (elements, onsets): P(not recorded for some days)."""
        knot, part = self._place(days)
        low, high = self.table[disease, :, knot], self.table[disease, :, knot + 1]
        silent: np.ndarray = low + part[:, None] * (high - low)
        return silent

    def after(self, days: np.ndarray) -> Callable[[int], np.ndarray]:
        """Return a function of a disease: `until` for the same days, (onsets, elements)."""
        knot, part = self._place(days)

        def silent(disease: int) -> np.ndarray:
            table = self.table[disease]
            low = table[:, knot]
            interpolated: np.ndarray = low + part * (table[:, knot + 1] - low)
            return interpolated

        return silent

    def mean_after(self, days: np.ndarray) -> Callable[[int, np.ndarray], np.ndarray]:
        """Return a function of a disease and weights of onsets: weighted sums of `until`.

        Args:
            days: float64 (times, elements).

        Returns:
            The function. Its weights are float64 (onsets, elements), its result (times, elements).
        """
        knot, part = self._place(days)
        every = np.arange(days.shape[1])

        def silent(disease: int, weight: np.ndarray) -> np.ndarray:
            by_knot = self.table[disease].T @ weight
            low = by_knot[knot, every]
            interpolated: np.ndarray = low + part * (by_knot[knot + 1, every] - low)
            return interpolated

        return silent

    def broken(self, disease: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return float64 (elements, onsets): P(first recorded on a day, counted from the start)."""
        knot, _ = self._place(days)
        width = (_KNOTS[knot + 1] - _KNOTS[knot]) * _STEP
        fall = self.table[disease, :, knot] - self.table[disease, :, knot + 1]
        by_day: np.ndarray = np.maximum(fall, 0) / width[:, None]
        return by_day

    def _place(self, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the knot before each number of days, and the part of the way to the next."""
        steps = np.clip(days / _STEP, 0, _KNOTS[-1] - 1e-6)
        knot = np.searchsorted(_KNOTS, steps, side="right") - 1
        return knot, (steps - _KNOTS[knot]) / (_KNOTS[knot + 1] - _KNOTS[knot])
