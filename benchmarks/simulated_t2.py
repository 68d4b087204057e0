"""Task T2 (diseases of the next 6 months) directly from simulated blocks, for benchmarks.

Follow-up, visits and the choice of the last input visit are as in the workflow. There are no codes,
flaws or files.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import day_number
from behrt.simulation.patients import HES_COVERAGE
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.world import World

MINIMUM_VISITS = 5
MINIMUM_INPUT = 4
PEOPLE_A_BLOCK = 20_000


@dataclass(frozen=True)
class Task:
    """One element per patient with at least one label; matrices are (patients, diseases).

    Attributes:
        rows: row in the block's people.
        day, window: the last input visit's day and the days to the end of the window.
        label, known: bool, recorded in the window; recorded during follow-up up to the day.
        begun: bool, begun up to the day, recorded or not.
        months_since: float32, since a known disease was last recorded; infinity for others.
        visits: visits with a diagnosis, one element per patient of the cohort.
    """

    rows: np.ndarray
    day: np.ndarray
    window: np.ndarray
    label: np.ndarray
    known: np.ndarray
    begun: np.ndarray
    months_since: np.ndarray
    visits: np.ndarray


def blocks(world: World, people: int, seed: int, settings: ProcessSettings) -> Iterator[Block]:
    """Yield blocks of people 1 to `people`."""
    for first in range(1, people + 1, PEOPLE_A_BLOCK):
        count = min(PEOPLE_A_BLOCK, people + 1 - first)
        yield simulate_block(world, first, count, seed, settings)


def make_task(world: World, block: Block, seed: int, months: int = 6) -> Task:
    """Return T2 (T3 with `months=12`) of the block's patients at linked practices."""
    cohort, seen = _in_follow_up(world, block)
    until = pl.col("day").cast(pl.Date).dt.offset_by(f"{months}mo").cast(pl.Int32)
    visits = (
        seen.select("person", "row", "day", "end")
        .unique(maintain_order=True)
        .with_columns(number=pl.int_range(pl.len()).over("person") + 1, until=until)
    )
    eligible = visits.filter(pl.col("number") >= MINIMUM_INPUT, pl.col("until") <= pl.col("end"))
    draw = np.random.default_rng([seed, 4]).random(eligible.height)
    asked = (
        eligible.with_columns(draw=pl.Series(draw))
        .sort("draw")
        .unique("person", keep="first", maintain_order=True)
        .sort("person")
        .select("person", "row", "until", asked="day", entry=pl.int_range(pl.len()))
    )

    def matrix(events: pl.DataFrame) -> np.ndarray:
        cells = np.zeros((asked.height, len(world.diseases)), dtype=bool)
        cells[events["entry"].to_numpy(), events["disease"].to_numpy()] = True
        return cells

    events = seen.select("person", "day", "disease").join(asked, on="person")
    past = events.filter(pl.col("day") <= pl.col("asked"))
    label = matrix(events.filter(pl.col("day") > pl.col("asked"), pl.col("day") <= pl.col("until")))
    begun = block.onsets.join(asked, on="person").filter(pl.col("day") <= pl.col("asked"))
    latest = past.group_by("entry", "disease", "asked").agg(pl.col("day").max())
    months_since = np.full(label.shape, np.inf, dtype=np.float32)
    months_since[latest["entry"].to_numpy(), latest["disease"].to_numpy()] = (
        latest["asked"] - latest["day"]
    ).to_numpy() / 30.44
    kept = label.any(axis=1)
    day = asked["asked"].to_numpy()
    number = visits.group_by("person").len()
    return Task(
        rows=asked["row"].to_numpy().astype(np.int64)[kept],
        day=day[kept],
        window=(asked["until"].to_numpy() - day)[kept],
        label=label[kept],
        known=matrix(past)[kept],
        begun=matrix(begun)[kept],
        months_since=months_since[kept],
        visits=cohort.join(number, on="person", how="left")["len"].fill_null(0).to_numpy(),
    )


def _in_follow_up(world: World, block: Block) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the cohort (person, row, start, end) and its diagnoses in follow-up, once per day."""
    first, last = (day_number(day) for day in HES_COVERAGE)
    people = (
        block.people.with_row_index("row")
        .join(world.practices.filter("linked"), on="practice", maintain_order="left")
        .select(
            "person",
            "row",
            start=pl.max_horizontal("uts", "registration_start", pl.lit(first)),
            end=pl.min_horizontal("lcd", "registration_end", "death_day", pl.lit(last)),
        )
    )
    inside = pl.col("day").is_between("start", "end")
    seen = block.diagnoses.join(people, on="person", maintain_order="left").filter(inside)
    contacts = block.contacts.join(people, on="person").filter(inside)
    days = pl.concat([seen.select("person", "day"), contacts.select("person", "day")]).unique()
    often = days.group_by("person").len().filter(pl.col("len") >= MINIMUM_VISITS)
    cohort = people.join(often, on="person", how="semi", maintain_order="left")
    seen = seen.join(cohort, on="person", how="semi", maintain_order="left")
    return cohort, seen.unique(["person", "day", "disease"], maintain_order=True)
