"""Read stored sequences and a task's examples as arrays for training."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.learning import mapped
from behrt.learning.examples import Examples
from behrt.sequences.frames import SPLITS
from behrt.sequences.vocabulary import read_vocabulary

MOST_IN_MEMORY = 200 * 2**20
"""Bytes of sequences (Parquet) that are read into memory, where they take about 20 times as much
while they are read; those of more stay on disk. 200 MiB are about 2.5 million patients."""


def _offsets(lengths: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _ragged(lists: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets (int64, rows + 1) and the flat values of a list column."""
    values = lists.explode(empty_as_null=False, keep_nulls=False)
    return _offsets(lists.list.len().to_numpy()), values.to_numpy()


def load_examples(
    sequences: list[Path],
    tasks: Path | None,
    split: str | list[str],
    vocabulary: Path,
    labelled: bool = True,
    inputs: Sequence[str] | None = None,
) -> Examples:
    """Return the subjects of a split in order of subject_id, whatever the shards.

    If the sequences are large (`MOST_IN_MEMORY`), the arrays are memory-mapped.

    Args:
        sequences: the shards (`behrt.sequences.frames.Sequences`).
        tasks: one task's examples (`behrt.sequences.frames.TaskExamples`), of which only the
            input visits are returned; None for whole histories without labels, of subjects with at
            least one visit.
        split: one of train, tuning, held_out, or several of them.
        vocabulary: the JSON file, which gives the number of diseases and of other words.
        labelled: whether subjects without a label are left out, as in the paper.
        inputs: what is read, as `Examples.only` takes it; None for all words. The examples of a
            task are the same for all inputs; whole histories without a word are left out.

    Raises:
        InputError: an unknown split; a subject or visit of the task that is in no shard; a word
            that is not in the vocabulary.
    """
    splits = [split] if isinstance(split, str) else split
    if unknown := set(splits) - set(SPLITS):
        raise InputError(
            "split", f"there is no split {sorted(unknown)}", f"Choose from {', '.join(SPLITS)}"
        )
    words = read_vocabulary(vocabulary)
    others = ("concept", "concept_visit") if words.concepts else ()
    n_diseases = len(words.phenotypes)
    chosen = None
    if tasks is not None:
        chosen = (
            pl.scan_parquet(tasks)
            .filter(pl.col("split").is_in(splits))
            .filter((pl.col("label").list.len() > 0) | (not labelled))
            .select("subject_id", "input_visits", "label", "known")
            .collect()
        )
    missing = InputError(
        str(tasks),
        "it has a subject or a visit that is not in the sequences",
        "Draw the tasks again from these sequences",
    )

    def read(shards: list[Path]) -> Examples:
        frame = (
            pl.scan_parquet(shards)
            .filter(pl.col("split").is_in(splits))
            .select(
                *("subject_id", "sex", "follow_up_start", "visit_day", "visit_age"),
                *("code", "visit", *others),
            )
        )
        if chosen is None:
            frame = frame.filter(pl.col("visit_day").list.len() > 0)
        else:
            frame = frame.join(chosen.lazy(), on="subject_id", how="inner")
        table = frame.sort("subject_id").collect()
        held = table["visit_day"].list.len()
        if chosen is not None and (table["input_visits"].cast(pl.Int64) > held).any():
            raise missing
        for column, kind, number in (
            ("code", "phenotypes", n_diseases),
            *((name, "words", len(words.names)) for name in others[:1]),
        ):
            if (table[column].list.max() >= number).any():
                raise InputError(
                    vocabulary,
                    f"it has {number} {kind}, and the sequences have a higher index",
                    "Build the sequences again with this vocabulary",
                )
        examples = examples_of(table, n_diseases, words.concepts)
        return examples.only(inputs, keep_last=chosen is not None)

    if sum(shard.stat().st_size for shard in sequences) > MOST_IN_MEMORY:
        examples = mapped.joined([partial(read, [shard]) for shard in sequences])
    else:
        examples = read(sequences)
    if chosen is not None and len(chosen) != len(examples):
        raise missing
    return examples


def examples_of(
    table: pl.DataFrame, n_diseases: int, concepts: Mapping[str, int] | None = None
) -> Examples:
    """Return the rows of a frame as arrays.

    Args:
        table: the columns of `behrt.sequences.frames.Sequences` that describe visits, subject_id,
            sex and follow_up_start; those of other words are read, too, if there are any. With
            input_visits, label and known, as
            `behrt.sequences.frames.TaskExamples` has them, only the input visits are returned;
            without them, whole histories without labels.
        n_diseases: the number of phenotypes, more than every index of one.
        concepts: the number of words of each other concept.
    """
    all_visit_offsets, visit_day = _ragged(table["visit_day"])
    _, visit_age = _ragged(table["visit_age"])
    all_code_offsets, codes = _ragged(table["code"])
    _, visit_of_code = _ragged(table["visit"])
    held = np.diff(all_visit_offsets)
    whole = "input_visits" not in table.columns
    taken = held if whole else table["input_visits"].to_numpy().astype(np.int64)

    rows = np.arange(len(table), dtype=np.int64)
    row_of_visit = np.repeat(rows, held)
    row_of_code = np.repeat(rows, np.diff(all_code_offsets))
    keep_visit = np.arange(len(visit_day)) - all_visit_offsets[row_of_visit] < taken[row_of_visit]
    visit_offsets = _offsets(taken)
    diseases, row_of_disease = codes, row_of_code
    if "concept" in table.columns:
        other_offsets, others = _ragged(table["concept"])
        row_of_code = np.concatenate([row_of_code, np.repeat(rows, np.diff(other_offsets))])
        visit_of_code = np.concatenate([visit_of_code, _ragged(table["concept_visit"])[1]])
        codes = np.concatenate([codes, others])
        order = np.lexsort((codes, visit_of_code, row_of_code))
        codes, row_of_code, visit_of_code = (
            array[order] for array in (codes, row_of_code, visit_of_code)
        )
    keep_code = visit_of_code < taken[row_of_code]
    codes = codes[keep_code]
    code_visit = visit_offsets[row_of_code[keep_code]] + visit_of_code[keep_code]
    code_offsets = _offsets(np.bincount(code_visit, minlength=int(visit_offsets[-1])))
    if whole:
        label_offsets, labels = np.zeros(len(table) + 1, dtype=np.int64), codes[:0]
        pairs = np.sort(row_of_disease * n_diseases + diseases)  # far faster than np.unique
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        known_offsets = _offsets(np.bincount(pairs // n_diseases, minlength=len(table)))
        known = (pairs % n_diseases).astype(np.int16)
    else:
        label_offsets, labels = _ragged(table["label"])
        known_offsets, known = _ragged(table["known"])
    return Examples(
        subject_id=table["subject_id"].to_numpy(),
        sex=table["sex"].to_numpy(),
        follow_up_start=table["follow_up_start"].to_numpy(),
        visit_offsets=visit_offsets,
        visit_day=visit_day[keep_visit],
        visit_age=visit_age[keep_visit],
        code_offsets=code_offsets,
        codes=codes,
        label_offsets=label_offsets,
        labels=labels,
        known_offsets=known_offsets,
        known=known,
        n_diseases=n_diseases,
        concepts=concepts or {},
    )
