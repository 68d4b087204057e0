"""The ceiling of a task: true probabilities of the labels, given the state at the last input visit.

Only this stage reads what was simulated for each patient.
"""

from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.tasks import window_end
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.coding import Coding
from behrt.simulation.oracle import (
    next_visit_probabilities,
    true_probabilities,
    visit_probability,
)
from behrt.simulation.process import Block
from behrt.simulation.recordings import DUE
from behrt.simulation.world import World


def read_examples(
    sequences: list[Path], task: Path, months: int | None, split: str = HELD_OUT
) -> pl.DataFrame:
    """Return the patients of a split with a label, and the days from which to forecast.

    Args:
        sequences: the shards (`behrt.sequences.frames.Sequences`).
        task: one task's examples (`behrt.sequences.frames.TaskExamples`).
        months: the task's window, or None for the next visit.
        split: the patients.

    Returns:
        subject_id Int64, label List(Int16), day Int32 (of the last input visit, since 1970-01-01),
        window Int32 (days to the end of the window; null for the next visit). Sorted by subject_id.
    """
    end = pl.lit(None, pl.Int32) if months is None else window_end(pl.col("day"), months)
    last = pl.col("visit_day").list.get(pl.col("input_visits") - 1)
    return (
        pl.scan_parquet(task)
        .filter(pl.col("split") == split, pl.col("label").list.len() > 0)
        .join(
            pl.scan_parquet(sequences).select("subject_id", "visit_day"),
            on="subject_id",
            how="left",
        )
        .with_columns(day=last)
        .select("subject_id", "label", "day", window=end - pl.col("day"))
        .sort("subject_id")
        .collect()
    )


def read_truth(people: list[Path], onsets: list[Path], subject_id: pl.Series) -> Block:
    """Return the truth of some patients, in their order.

    The block has people, onsets, and the diagnoses whose reason is `DUE`; no contacts or
    admissions.

    Args:
        people, onsets: of all parts, as `behrt.simulation.delivery.write_part` writes them.
        subject_id: Int64, of the patients.

    Raises:
        InputError: a patient was not simulated.
    """
    named = pl.scan_parquet(people).rename({"patid": "subject_id"}).collect()
    found = subject_id.to_frame("subject_id").join(
        named, on="subject_id", how="left", maintain_order="left"
    )
    if found["person"].null_count():
        raise InputError(
            people[0].parent, "a held-out patient was not simulated", "Simulate the delivery again"
        )
    begun = (
        pl.scan_parquet(onsets).join(found.lazy().select("person"), on="person", how="semi")
    ).collect()
    due = (
        begun.select("person", "disease", day="recorded")
        .explode("day", empty_as_null=False, keep_nulls=False)
        .with_columns(reason=pl.lit(DUE, pl.Int8))
    )
    empty = pl.DataFrame()
    return Block(found, due, contacts=empty, admissions=empty, onsets=begun)


def forecast(
    world: World,
    truth: Block,
    examples: pl.DataFrame,
    months: int | None,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float32 (patients, diseases): the true probability that each is in the label.

    The probability is conditional on the whole state of the process at the last input visit,
    recorded or not; on follow-up to the end of the window; and, as in the task, on having a label.

    It does not account for the flaws of the delivery, nor for how the task chooses the last input
    visit: at random among a patient's visits, so that patients with fewer visits to come are
    overrepresented, and T2 and T3 have about a twentieth fewer labels than expected.
    `benchmarks/simulated_ceiling.py` does account for this choice and for the end of follow-up:
    that explains the number of labels, and changes the mean average precision by no more than its
    Monte Carlo error (default run: T1 -0.14 points, standard error 0.25; T2 -0.04, 0.20; T3 +0.19,
    0.19).

    Args:
        world, settings, coding: of the simulation.
        truth: of the patients, in the order of `examples` (`read_truth`).
        examples: from `read_examples`.
        months: the task's window, or None for the next visit.
    """
    rows, day = np.arange(len(examples)), examples["day"].to_numpy().astype(np.int64)
    if months is None:
        return next_visit_probabilities(world, truth, rows, day, settings, coding)
    window = examples["window"].to_numpy().astype(np.int64)
    scored = true_probabilities(world, truth, rows, day, window, settings, coding)
    labelled = visit_probability(world, truth, rows, day, window, settings, coding)[:, None]
    given_a_label: np.ndarray = np.minimum(scored / labelled, 1).astype(np.float32)
    return given_a_label


def agreement(scored: np.ndarray, label: pl.Series) -> float:
    """Return the ratio of the number of labels to the expected number."""
    return float(label.list.len().sum() / scored.sum(dtype=np.float64))
