"""The state of the process at a day: what has begun and what has been recorded by then."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.process import Block
from behrt.simulation.recordings import DUE
from behrt.simulation.world import World


@dataclass(frozen=True)
class State:
    """The state at the day of each forecast.

    Attributes:
        person: int64 (forecasts), as are the following unless another dtype is given.
        female: bool.
        birth: float64, day of birth.
        phase: offset of the person's review visits, in days.
        recording: float32, the practice's factor (`behrt.simulation.world.World`).
        susceptibility: float32, multiplies the person's spontaneous risks.
        day: the day up to which everything is known.
        window: days to forecast after `day`.
        onset: float64 (forecasts, diseases), day of onset; infinity if the disease has not begun.
        last: float64 (forecasts, diseases), day of the last recording with reason `DUE`, infinity
            for none. For a disease that began before records, whose recordings are unknown, it is
            the onset or, if that is later, half an interval before records start.
    """

    person: np.ndarray
    female: np.ndarray
    birth: np.ndarray
    phase: np.ndarray
    recording: np.ndarray
    susceptibility: np.ndarray
    day: np.ndarray
    window: np.ndarray
    onset: np.ndarray
    last: np.ndarray


def latest_days(
    events: pl.DataFrame, person: pl.Series, day: np.ndarray, diseases: int
) -> np.ndarray:
    """Return float64 (people, diseases): the last day of an event up to a day for each person.

    It is infinity where there is no event. A person may occur several times.

    Args:
        events: person, day, disease.
        person: one element per row of the result.
        day: int, the last day that counts for each row.
        diseases: the number of diseases.

    >>> events = pl.DataFrame({"person": [7, 7, 7], "day": [10, 20, 30], "disease": [1, 1, 0]})
    >>> latest_days(events, pl.Series([7, 7]), np.array([15, 25]), diseases=2)
    array([[inf, 10.],
           [inf, 20.]])
    """
    wanted = pl.DataFrame({"person": person, "row": np.arange(len(day)), "until": day})
    found = (
        events.join(wanted, on="person")
        .filter(pl.col("day") <= pl.col("until"))
        .group_by("row", "disease")
        .agg(pl.col("day").max())
    )
    days = np.full((len(day), diseases), np.inf)
    days[found["row"].to_numpy(), found["disease"].to_numpy()] = found["day"].to_numpy()
    return days


def state_at(
    world: World,
    block: Block,
    rows: np.ndarray,
    day: np.ndarray,
    window: np.ndarray,
    settings: ProcessSettings,
) -> State:
    """Return the state of some people, each at a day.

    Args:
        world, block, settings: of the simulation.
        rows: int64, rows of `block.people`; repeats are allowed.
        day: int64, the day of each row; nothing later is read.
        window: int64, the days to forecast.
    """
    people = block.people[rows]
    diseases = len(world.diseases)
    onset = latest_days(block.onsets, people["person"], day, diseases)
    due = block.diagnoses.filter(pl.col("reason") == DUE)
    last = latest_days(due, people["person"], day, diseases)
    unseen = np.isinf(last) & np.isfinite(onset)
    entry = settings.records_from - world.parameters.interval / 2
    practices = people.join(world.practices, on="practice", how="left", maintain_order="left")
    return State(
        person=people["person"].to_numpy(),
        female=people["sex"].to_numpy() == 2,
        birth=people["birth_day"].to_numpy().astype(np.float64),
        phase=people["review_phase"].to_numpy().astype(np.int64),
        recording=practices["recording"].to_numpy(),
        susceptibility=people["susceptibility"].to_numpy(),
        day=day.astype(np.int64),
        window=window,
        onset=onset,
        last=np.where(unseen, np.maximum(onset, entry), last),
    )
