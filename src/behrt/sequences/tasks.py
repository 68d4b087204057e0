"""The examples of a prediction task: where a patient's input ends, and what is to be predicted."""

from datetime import date
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt import hashing
from behrt.errors import InputError
from behrt.logs import progress
from behrt.sequences.frames import HELD_OUT, Sequences, TaskExamples, read_sequences
from behrt.tasks import Task


def window_end(day: pl.Expr, months: int) -> pl.Expr:
    """Return the last day of a window of calendar months that starts after `day`.

    Days are Int32 since 1970-01-01. If the month has no such day, the window ends on its last
    day: 6 months after 31 August is 28 February, in a leap year the 29th.

    >>> days = pl.DataFrame({"day": [date(2003, 8, 31), date(2004, 1, 15)]})
    >>> days.select(window_end(pl.col("day").cast(pl.Int32), 6).cast(pl.Date))["day"].to_list()
    [datetime.date(2004, 2, 29), datetime.date(2004, 7, 15)]
    """
    return day.cast(pl.Date).dt.offset_by(f"{months}mo").cast(pl.Int32)


def label_ends(visits: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Return where the label ends if the input ends with a visit, for every visit.

    The label is the diseases of the visits after the input, up to and including the last one in
    the task's window. Of a window of months, it must be known to its end what is recorded; the next
    visit must exist.

    >>> days = pl.Series("day", [0, 100, 300], dtype=pl.Int32)
    >>> visits = pl.DataFrame([days]).with_columns(subject_id=7, known_until=350)
    >>> label_ends(visits, Task("T2", 6))["label_end"].to_list()
    [2, 2, None]
    >>> label_ends(visits, Task("T1"))["label_end"].to_list()
    [2, 3, None]

    Args:
        visits: subject_id, day, known_until and, optionally, diagnosed, whether the visit has a
            diagnosis (all have without the column); one row per visit, in order of time within each
            subject, whose rows are together. The next visit is the next with a diagnosis.
        task: its window.

    Returns:
        The visits, with place Int64, 1 for a subject's first visit, and label_end Int64: the label
        is in the visits from place + 1 to label_end (none if they are equal). It is null where
        nothing can be predicted.
    """
    place = pl.int_range(1, pl.len() + 1).over("subject_id").alias("place")
    visits = visits.with_columns(place)
    if task.months is None:
        with_diagnosis = pl.col("diagnosed") if "diagnosed" in visits.columns else pl.lit(True)
        following = pl.when(with_diagnosis).then("place").shift(-1).backward_fill()
        return visits.with_columns(label_end=following.over("subject_id"))
    visits = visits.with_columns(window_end=window_end(pl.col("day"), task.months))
    # One ascending key of subject and day finds each subject's visits up to a day.
    subject = pl.col("subject_id").rle_id().cast(pl.Int64) * 2**32
    keys, ends = visits.select(key=subject + pl.col("day"), end=subject + pl.col("window_end"))
    within = pl.Series(keys.search_sorted(ends, side="right"), dtype=pl.Int64)
    first = pl.int_range(pl.len()) - pl.col("place") + 1
    known = pl.col("window_end") <= pl.col("known_until")
    return visits.with_columns(label_end=pl.when(known).then(within - first)).drop("window_end")


def visits_of(sequences: pl.DataFrame) -> pl.DataFrame:
    """Return one row per visit, in order of subject and time.

    Args:
        sequences: subject_id, visit_day and visit of `Sequences`, and further columns.

    Returns:
        The further columns but those of codes; day Int32; diagnosed Boolean, whether the visit has
        a diagnosis.
    """
    visits = sequences["visit_day"].list.len().to_numpy().astype(np.int64)
    codes = sequences["visit"].list.len().to_numpy().astype(np.int64)
    diagnosed = np.zeros(visits.sum(), dtype=bool)
    of_code = sequences["visit"].explode(empty_as_null=False, keep_nulls=False).to_numpy()
    diagnosed[np.repeat(np.cumsum(visits) - visits, codes) + of_code] = True
    lists = ("visit_day", "visit_age", "code", "visit", "concept", "concept_visit")
    kept = [name for name in sequences.columns if name not in lists]
    return (
        sequences.select(*kept, day="visit_day")
        .explode("day", empty_as_null=False)
        .with_columns(diagnosed=pl.Series(diagnosed, dtype=pl.Boolean))
    )


def _draw_inputs(
    visits: pl.DataFrame, task: Task, minimum_visits: int, seed: int, cut_off: date | None
) -> pl.DataFrame:
    """Return where inputs and labels end, one row per eligible subject, sorted by subject.

    Args:
        visits: of `visits_of`.
        task, minimum_visits, seed, cut_off: as for `draw_examples`.

    Returns:
        subject_id Int64; input_visits Int16; label_end Int64: the label is in visits
        input_visits + 1 to label_end.
    """
    cuts = label_ends(visits, task).filter(
        pl.col("label_end").is_not_null(), pl.col("place") >= minimum_visits
    )
    if cut_off is not None:
        cuts = cuts.filter((pl.col("split") != HELD_OUT) | (pl.col("day").cast(pl.Date) >= cut_off))
    eligible = (
        cuts.group_by("subject_id", maintain_order=True)
        .agg("place", "label_end")
        .sort("subject_id")
    )
    draw = hashing.uniform(eligible["subject_id"].to_numpy(), seed, task.key)
    chosen = pl.Series(np.floor(draw * eligible["place"].list.len().to_numpy()).astype(np.int64))
    place, label_end = (pl.col(name).list.get(pl.lit(chosen)) for name in ("place", "label_end"))
    return eligible.select("subject_id", input_visits=place.cast(pl.Int16), label_end=label_end)


def _label_diseases(sequences: pl.DataFrame, inputs: pl.DataFrame) -> pl.DataFrame:
    """Return the examples: the diseases before and after the end of each input.

    Args:
        sequences: whole histories.
        inputs: as `_draw_inputs` returns them.

    Returns:
        The columns of `TaskExamples`, sorted by subject.
    """
    visit, input_visits = pl.col("visit"), pl.col("input_visits")
    return (
        sequences.select("subject_id", "split", "code", "visit")
        .join(inputs, on="subject_id")
        .explode("code", "visit")  # a subject without a diagnosis keeps a row of nulls
        .group_by("subject_id", "split", "input_visits")
        .agg(
            label=pl.col("code")
            .filter((visit >= input_visits) & (visit < pl.col("label_end")))
            .unique()
            .sort(),
            known=pl.col("code").filter(visit < input_visits).unique().sort(),
        )
        .sort("subject_id")
        .select(TaskExamples.column_names())
    )


def draw_examples(
    sequences: dy.DataFrame[Sequences],
    task: Task,
    minimum_visits: int,
    seed: int,
    cut_off: date | None = None,
) -> dy.DataFrame[TaskExamples]:
    """Return one example for each eligible subject, sorted by subject.

    The input is visits 1 to j of a subject's n. If the window is the next visit (T1), the label is
    the diseases of visit j + 1, and j is uniform on {m, …, n − 1}, m being `minimum_visits`. (If
    other concepts are inputs, visits may have no diagnosis: the label is that of the next visit
    with one, and j is uniform on the visits that have one after them.) If the window
    is a number of months (T2: 6, T3: 12), the label is every disease in (day of visit j, that day
    + months], the end included, and j is uniform on {m, …, n*}, n* being the last visit whose
    window ends by `known_until`, which is the end of follow-up unless deaths are labelled
    (`behrt.sequences.sequences.build_sequences`). A disease that the subject had before also counts
    in the label. (Li et al. 2020, Methods, with m = 4: 3 < j.)

    A subject's j is drawn from its id, the seed and the task's key, so it does not depend on the
    other subjects or on the shards. Subjects with no disease in their window have an empty label.

    With a cut-off, the last input visit of a held-out subject is not before it, so m is then at
    least that visit's place. The sequences of other subjects end before it.

    >>> history = {
    ...     "subject_id": 7, "split": "train", "sex": 1, "region": 1, "practice": 1,
    ...     "birth_month": 23402, "follow_up_start": 11000, "follow_up_end": 13000,
    ...     "known_until": 13000, "visit_day": [11444, 12061], "visit_age": [616, 636],
    ...     "code": [0, 1, 0], "visit": [0, 0, 1],
    ... }
    >>> sequences = Sequences.validate(pl.DataFrame([history]), cast=True)
    >>> draw_examples(sequences, Task("T1"), minimum_visits=1, seed=2020)
    shape: (1, 5)
    ┌────────────┬───────┬──────────────┬───────────┬───────────┐
    │ subject_id ┆ split ┆ input_visits ┆ label     ┆ known     │
    │ ---        ┆ ---   ┆ ---          ┆ ---       ┆ ---       │
    │ i64        ┆ str   ┆ i16          ┆ list[i16] ┆ list[i16] │
    ╞════════════╪═══════╪══════════════╪═══════════╪═══════════╡
    │ 7          ┆ train ┆ 1            ┆ [0]       ┆ [0, 1]    │
    └────────────┴───────┴──────────────┴───────────┴───────────┘

    Args:
        sequences: whole histories.
        task: its window, and the key of the draw.
        minimum_visits: the fewest visits of an input.
        seed: of the run.
        cut_off: the first day on which a held-out prediction may be made; None for any.
    """
    visits = visits_of(sequences.select("subject_id", "split", "known_until", "visit_day", "visit"))
    inputs = _draw_inputs(visits, task, minimum_visits, seed, cut_off)
    return TaskExamples.validate(_label_diseases(sequences, inputs))


def draw_task(
    sequences: list[Path],
    task: Task,
    minimum_visits: int,
    seed: int,
    cut_off: date | None = None,
) -> dy.DataFrame[TaskExamples]:
    """Return the examples of all shards, sorted by subject, holding one shard at a time.

    Raises:
        InputError: no subject has an example.
    """
    drawn = [
        draw_examples(read_sequences(shard), task, minimum_visits, seed, cut_off)
        for shard in progress(sequences, label=task.name, unit="shards")
    ]
    examples = pl.concat(drawn).sort("subject_id")
    if examples.is_empty():
        raise InputError(
            task.name,
            f"no patient has {minimum_visits} visits and something to predict after them",
            "Use more patients, or a longer follow-up",
        )
    return TaskExamples.validate(examples)
