"""The ceiling of a task: true probabilities of the labels, given the state at the last input visit.

It reads what was simulated of each patient, as no other stage does.
"""

from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.tasks import window_end
from behrt.simulation.coding import Coding
from behrt.simulation.oracle import (
    next_visit_probabilities,
    true_probabilities,
    visit_probability,
)
from behrt.simulation.process import DUE, Block, ProcessSettings, World


def read_asked(sequences: list[Path], task: Path, months: int | None) -> pl.DataFrame:
    """Return the held-out patients who have a label, by subject_id, and when they are asked about.

    Args:
        sequences: the shards (`behrt.sequences.frames.Sequences`).
        task: one task's examples (`behrt.sequences.frames.TaskExamples`).
        months: the task's window, or None for the next visit.

    Returns:
        subject_id Int64, label List(Int16), day Int32 (of the last input visit, since 1970-01-01),
        window Int32 (days to the end of the window; null for the next visit).
    """
    end = pl.lit(None, pl.Int32) if months is None else window_end(pl.col("day"), months)
    last = pl.col("visit_day").list.get(pl.col("input_visits") - 1)
    return (
        pl.scan_parquet(task)
        .filter(pl.col("split") == HELD_OUT, pl.col("label").list.len() > 0)
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
    """Return the truth of some patients, in their order: people, onsets, and what fell due.

    Args:
        people, onsets: of all parts, as `behrt.simulation.delivery.write_part` writes them.
        subject_id: Int64, of patients.

    Raises:
        InputError: nobody was simulated under one of the ids.
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
    nothing = pl.DataFrame()
    return Block(found, due, contacts=nothing, admissions=nothing, onsets=begun)


def forecast(
    world: World,
    truth: Block,
    asked: pl.DataFrame,
    months: int | None,
    settings: ProcessSettings,
    coding: Coding,
) -> np.ndarray:
    """Return float32 (patients, diseases): the true probability that each is in the label.

    It is given the whole state of the process at the last input visit, seen or not; that
    follow-up reaches the window's end; and, as in the task, that there is a label. Left out is
    that the task draws an input's end among a patient's visits, which favours, at each of them,
    those patients who have fewer visits to come, so that T2 and T3 have about a twentieth fewer
    labels than it expects. `benchmarks/simulated_ceiling.py` counts that in, and the end of
    follow-up, which explains the labels and changes the mean average precision by no more than
    its Monte Carlo error: in the default run by -0.14 points in T1 (standard error 0.25), -0.04
    in T2 (0.20) and +0.19 in T3 (0.19). Left out, too, are the delivery's flaws.

    Args:
        world, settings, coding: of the simulation.
        truth: of the patients, in the order of `asked` (`read_truth`).
        asked: as `read_asked` returns it.
        months: the window, or None for the next visit.
    """
    rows, day = np.arange(len(asked)), asked["day"].to_numpy().astype(np.int64)
    if months is None:
        return next_visit_probabilities(world, truth, rows, day, settings, coding)
    window = asked["window"].to_numpy().astype(np.int64)
    scored = true_probabilities(world, truth, rows, day, window, settings, coding)
    labelled = visit_probability(world, truth, rows, day, window, settings, coding)[:, None]
    given_a_label: np.ndarray = np.minimum(scored / labelled, 1).astype(np.float32)
    return given_a_label


def agreement(scored: np.ndarray, label: pl.Series) -> float:
    """Return how many labels there are for each one that was expected."""
    return float(label.list.len().sum() / scored.sum(dtype=np.float64))
