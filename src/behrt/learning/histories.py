"""Every cut of the patients' histories at which a task can be predicted. Nothing here needs torch.

A cut is a visit after which a prediction is made: the input is the visits up to it, the label the
diseases of the task's window after it. `load_examples` returns the one cut per patient that a task
draws, as the paper does; here a model may learn from several or all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from meds.schema import death_code

from behrt import hashing
from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.load import load_examples
from behrt.ragged import ragged_ranges, ragged_take
from behrt.sequences.tasks import label_ends
from behrt.tasks import Task

NO_CUT = -1
"""Marks a visit after which a task cannot be predicted."""


@dataclass(frozen=True)
class Histories:
    """Whole histories, and where the label of each cut ends.

    Visits are numbered as in `examples`: those of subject i are `visit_offsets[i]` to
    `visit_offsets[i + 1]`. The label of the cut after visit v is the diseases of the visits v + 1
    to `label_ends[task][v]`, the end excluded.

    Attributes:
        examples: whole histories, one row per subject, without labels.
        follow_up_end: int32 (n), days since 1970-01-01, inclusive.
        label_ends: int64 (visits) by name of the task; `NO_CUT` where the cut does not count.
        died: bool (n), whether follow-up ends with the subject's death; None if it was not read.
    """

    examples: Examples
    follow_up_end: np.ndarray
    label_ends: dict[str, np.ndarray]
    died: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def cuts(self, task: str) -> np.ndarray:
        """Return int64 (cuts): the visits after which a task can be predicted, ascending."""
        return np.flatnonzero(self.label_ends[task] != NO_CUT)

    def latest_cuts(self, task: str) -> np.ndarray:
        """Return int64 (subjects with a cut): the last cut of each."""
        cuts = self.cuts(task)
        subjects = np.searchsorted(self.examples.visit_offsets[:-1], cuts, side="right")
        latest: np.ndarray = cuts[np.diff(subjects, append=-1) != 0]
        return latest

    def with_cuts(self) -> "Histories":
        """Return the subjects with a cut of at least one task.

        Raises:
            InputError: a task has no cut.
        """
        found = np.zeros(len(self), dtype=bool)
        for task in self.label_ends:
            cuts = self.cuts(task)
            if not len(cuts):
                raise InputError(
                    f"{task}, training patients",
                    "nothing can be predicted after any of their visits",
                    "Use more patients, or a longer follow-up",
                )
            found[np.searchsorted(self.examples.visit_offsets[:-1], cuts, side="right") - 1] = True
        return self.select(np.flatnonzero(found))

    def select(self, rows: np.ndarray) -> "Histories":
        """Return the subjects at `rows` (int64 indices), in that order."""
        old, visits = self.examples.visit_offsets, ragged_take(self.examples.visit_offsets, rows)[0]
        examples = self.examples.select(rows)
        moved = np.repeat(examples.visit_offsets[:-1] - old[rows], np.diff(examples.visit_offsets))
        ends = {
            task: np.where(ends[visits] == NO_CUT, NO_CUT, ends[visits] + moved)
            for task, ends in self.label_ends.items()
        }
        died = None if self.died is None else self.died[rows]
        return Histories(examples, self.follow_up_end[rows], ends, died)

    def only(self, inputs: Sequence[str] | None) -> "Histories":
        """Return the histories with the words of some inputs only; None for all.

        Every visit remains, also without a word, because a prediction may be made after it.
        """
        return replace(self, examples=self.examples.without_words(inputs))

    def cut_after(self, visits: np.ndarray, task: str) -> Examples:
        """Return one row per cut: the history up to a visit, and the task's label.

        Args:
            visits: int64 (cuts), some of `cuts(task)`, in any order.
            task: its name.
        """
        whole = self.examples
        starts = whole.visit_offsets[:-1]
        subjects = np.searchsorted(starts, visits, side="right") - 1
        inputs, visit_offsets = ragged_ranges(starts[subjects], visits + 1 - starts[subjects])
        positions, code_offsets = ragged_take(whole.code_offsets, inputs)
        known, known_offsets = self._distinct(starts[subjects], visits + 1)
        labels, label_offsets = self._distinct(visits + 1, self.label_ends[task][visits])
        return Examples(
            subject_id=whole.subject_id[subjects],
            sex=whole.sex[subjects],
            follow_up_start=whole.follow_up_start[subjects],
            visit_offsets=visit_offsets,
            visit_day=whole.visit_day[inputs],
            visit_age=whole.visit_age[inputs],
            code_offsets=code_offsets,
            codes=whole.codes[positions],
            label_offsets=label_offsets,
            labels=labels,
            known_offsets=known_offsets,
            known=known,
            n_diseases=whole.n_diseases,
            concepts=whole.concepts,
        )

    def _distinct(self, first: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sorted distinct diseases of ranges of visits, int16, and their offsets."""
        whole = self.examples
        starts = whole.code_offsets[first]
        positions, offsets = ragged_ranges(starts, whole.code_offsets[end] - starts)
        ranges, codes = np.repeat(np.arange(len(first)), np.diff(offsets)), whole.codes[positions]
        if whole.concepts:
            diseases = codes < whole.n_diseases
            ranges, codes = ranges[diseases], codes[diseases]
        pairs = np.sort(ranges * whole.n_diseases + codes)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        counts = np.bincount(pairs // whole.n_diseases, minlength=len(first))
        return (pairs % whole.n_diseases).astype(np.int16), np.concatenate([[0], counts.cumsum()])


def load_histories(
    sequences: list[Path],
    tasks: list[Task],
    splits: list[str],
    vocabulary: Path,
    minimum_visits: int,
    events: Sequence[Path] = (),
) -> Histories:
    """Return the histories of the subjects of some splits, in order of subject_id.

    A cut counts for a task if it follows at least `minimum_visits` visits, if what is recorded is
    known to the end of the task's window and, unless the task is on all eligible patients, if its
    label is not empty.

    Args:
        sequences: the shards (`behrt.sequences.frames.Sequences`).
        tasks: whose cuts are found.
        splits: some of train, tuning, held_out. A cut-off in time is not applied to held-out
            subjects: training never reads them.
        vocabulary: the JSON file, which gives the number of diseases.
        minimum_visits: the fewest visits of an input.
        events: the MEDS events, from which deaths are read; none leaves `died` None.

    Raises:
        InputError: as `load_examples`.
    """
    examples = load_examples(sequences, None, splits, vocabulary)
    subjects = (
        pl.scan_parquet(sequences)
        .filter(pl.col("split").is_in(splits), pl.col("visit_day").list.len() > 0)
        .select("subject_id", "follow_up_end", "known_until", day="visit_day")
        .sort("subject_id")
        .collect()
    )
    # The words of a visit are sorted, and the diseases come first.
    diagnosed = examples.codes[examples.code_offsets[:-1]] < examples.n_diseases
    diagnosed_before = np.concatenate([[0], diagnosed.cumsum()])
    visits = subjects.explode("day").with_columns(diagnosed=pl.Series(diagnosed))
    starts = np.repeat(examples.visit_offsets[:-1], np.diff(examples.visit_offsets))
    ends = {}
    for task in tasks:
        placed = label_ends(visits, task)
        place = placed["place"].to_numpy()
        end = placed["label_end"].fill_null(NO_CUT).to_numpy()
        counts = (end != NO_CUT) & (place >= minimum_visits)
        if task.labelled:
            counts &= diagnosed_before[starts + end] > diagnosed_before[starts + place]
        ends[task.name] = np.where(counts, starts + end, NO_CUT)
    died = _died(subjects, events) if events else None
    return Histories(examples, subjects["follow_up_end"].to_numpy(), ends, died)


def _died(subjects: pl.DataFrame, events: Sequence[Path]) -> np.ndarray:
    """Return bool (n), whether each subject's follow-up ends with death.

    Args:
        subjects: subject_id and follow_up_end.
        events: the MEDS events.
    """
    deaths = (
        pl.scan_parquet(list(events))
        .filter(pl.col("code") == death_code)
        .group_by("subject_id")
        .agg(death=pl.col("time").min().dt.date().cast(pl.Int32))
        .collect()
    )
    found = subjects.join(deaths, on="subject_id", how="left", maintain_order="left")
    died = pl.col("death").is_not_null() & (pl.col("death") <= pl.col("follow_up_end"))
    return found.select(died).to_series().to_numpy()


def load_cuts(
    sequences: list[Path],
    task: Task,
    splits: list[str],
    vocabulary: Path,
    minimum_visits: int,
    cuts: int | None,
    seed: int,
    inputs: Sequence[str] | None = None,
) -> Examples:
    """Return several examples per subject, in order of subject_id and time.

    Each row is what `load_examples` returns for a subject whose input ends at that cut.

    Args:
        sequences, splits, vocabulary, minimum_visits: as for `load_histories`.
        task: what is predicted.
        cuts: the most cuts of a subject, drawn without replacement from those that count; None for
            all. A subject's draw depends on its id, the seed and the task's key only.
        seed: of the run.
        inputs: what is read, as `Examples.only` takes it. The cuts are the same for all inputs.

    Raises:
        InputError: as `load_examples`.
    """
    histories = load_histories(sequences, [task], splits, vocabulary, minimum_visits)
    visits = histories.cuts(task.name)
    if cuts is not None:
        visits = _drawn(histories.examples, visits, cuts, seed, task.key)
    return histories.cut_after(visits, task.name).only(inputs)


def _drawn(examples: Examples, visits: np.ndarray, cuts: int, seed: int, key: str) -> np.ndarray:
    """Return at most `cuts` of the visits of each subject, ascending."""
    subjects = np.searchsorted(examples.visit_offsets[:-1], visits, side="right") - 1
    place = visits - examples.visit_offsets[subjects]
    mixed = hashing.mix(examples.subject_id[subjects], seed, key)
    draw = hashing.uniform(mixed + place.astype(np.uint64), seed, key)
    order = np.lexsort((draw, subjects))
    counts = np.bincount(subjects, minlength=len(examples))
    rank = np.arange(len(visits)) - np.repeat(counts.cumsum() - counts, counts)
    return np.sort(visits[order][rank < cuts])
