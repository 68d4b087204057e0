"""Which patients train a model, which tune it, and which are held out for the one evaluation."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from meds.schema import SubjectSplitSchema

from behrt import hashing
from behrt.errors import InputError
from behrt.files import atomic
from behrt.sequences.frames import HELD_OUT, TRAIN, TUNING

PRACTICE = "PRACTICE//"


BY = ("dataset", "patient", "practice", "time")
"""Who is held out: the patients of the source's own split, patients at random, all patients of
some practices, or patients at random from a day on.
"""


def chosen_split(by: str | None, own: Path | None) -> str:
    """Return how patients are split: `by`, else as the source's own split, else by patient.

    Args:
        by: one of BY, or None.
        own: the file of the source's own split, None if it has none.

    Raises:
        InputError: the source's own split is wanted, and it has none.
    """
    if by == "dataset" and own is None:
        raise InputError(
            "config, split.by",
            "the source has no metadata/subject_splits.parquet",
            "Choose another split, or add the file to the MEDS dataset",
        )
    return by or ("patient" if own is None else "dataset")


def take_splits(path: Path, subject_id: pl.Series) -> pl.DataFrame:
    """Return each subject's split as a MEDS dataset has it, sorted by subject.

    Args:
        path: metadata/subject_splits.parquet; subjects that are not studied may be in it.
        subject_id: Int64, unique: the subjects that are studied.

    Returns:
        subject_id Int64, split String.

    Raises:
        InputError: the file is not as MEDS defines it, or a subject has no split or several, or a
            split is left empty.
    """
    advice = "Correct the file, or set `split: {by: patient}` to draw a new split"
    names = [TRAIN, TUNING, HELD_OUT]
    try:
        own = pl.read_parquet(path, columns=["subject_id", "split"]).select(
            pl.col("subject_id").cast(pl.Int64), pl.col("split").cast(pl.String)
        )
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "it cannot be read as a split of MEDS", advice) from None
    studied = subject_id.to_frame("subject_id").join(own.unique(), on="subject_id", how="left")
    if studied["subject_id"].is_duplicated().any():
        raise InputError(path, "a subject is in two splits", advice)
    if studied["split"].has_nulls():
        raise InputError(path, "a subject with a diagnosis has no split", advice)
    found = set(studied["split"])
    if other := found - set(names):
        raise InputError(path, f"it has {len(other)} splits other than {', '.join(names)}", advice)
    if missing := [name for name in names if name not in found]:
        raise InputError(path, f"no patient of the cohort is in {', '.join(missing)}", advice)
    return studied.sort("subject_id")


def draw_splits(
    subject_id: pl.Series,
    held_out: float,
    tuning: float,
    seed: int,
    practice: pl.Series | None = None,
) -> pl.DataFrame:
    """Return each subject's split, sorted by subject.

    A subject's split depends only on its id and the seed. It stays the same when other patients
    are added or removed, when the cohort rules change, and for any number of shards: a patient who
    is held out in one run is held out in every other run with that seed. The shares are therefore
    met on average, not exactly; with 10,000 patients or more their standard deviation is below
    half a percentage point. (Li et al. 2020: 80/20 at random; the tuning patients are part of the
    80 %.)

    With practices, it depends on the practice's number instead and is the same for all patients of
    a practice, so that tuning and held-out patients are of other practices than training patients.
    The shares are then met less closely: with 100 practices of equal size, the standard deviation
    is four percentage points.

    >>> splits = draw_splits(pl.Series(range(1000)), held_out=0.2, tuning=0.1, seed=2020)
    >>> splits["split"].value_counts().sort("split").rows()
    [('held_out', 205), ('train', 700), ('tuning', 95)]

    Args:
        subject_id: Int64, unique.
        held_out, tuning: shares of all subjects; the others are training subjects.
        seed: of the run.
        practice: Int64, the practice of each subject, in the same order; None to draw by subject.

    Returns:
        subject_id Int64, split String.

    Raises:
        InputError: the shares are not in (0, 1), leave nothing to train on, or leave a split
            empty.
    """
    if not (0 < held_out < 1 and 0 < tuning < 1 and held_out + tuning < 1):
        raise InputError(
            "split",
            f"held_out {held_out} and tuning {tuning} leave a split without a share",
            "Give both a share above 0 and below 1 together",
        )
    drawn, stream = (subject_id, "split") if practice is None else (practice, "practice")
    draw = hashing.uniform(drawn.to_numpy(), seed, stream)
    names = np.array([HELD_OUT, TUNING, TRAIN])
    split = names[np.digitize(draw, [held_out, held_out + tuning])]
    if missing := set(names) - set(split):
        raise InputError(
            "split",
            f"no patient falls into {', '.join(sorted(missing))}",
            "Use more patients, or larger shares"
            if practice is None
            else "Use more practices, larger shares, or another seed",
        )
    return pl.DataFrame({"subject_id": subject_id, "split": split}).sort("subject_id")


def read_practices(shards: list[Path], subject_id: pl.Series) -> pl.Series:
    """Return the practice (Int64) of each subject of a MEDS dataset, in the order given.

    Raises:
        InputError: a subject has no practice, or several.
    """
    practices = (
        pl.scan_parquet(shards)
        .filter(pl.col("code").str.starts_with(PRACTICE))
        .select("subject_id", practice=pl.col("code").str.strip_prefix(PRACTICE))
        .unique()
        .with_columns(pl.col("practice").cast(pl.Int64, strict=False))
        .collect()
    )
    known = subject_id.to_frame("subject_id").join(
        practices, on="subject_id", how="left", maintain_order="left"
    )
    if known["practice"].has_nulls() or len(known) != len(subject_id):
        raise InputError(
            "config, split.by",
            "a patient has no practice, or more than one",
            "Split by patient, or write one PRACTICE//<number> for every subject",
        )
    return known["practice"]


def read_subjects(shards: list[Path]) -> pl.Series:
    """Return every subject of a MEDS dataset once (Int64).

    Raises:
        InputError: a subject is in more than one shard.
    """
    held = pl.concat(
        [pl.scan_parquet(shard).select(pl.col("subject_id").unique()) for shard in shards]
    ).collect()["subject_id"]
    if held.is_duplicated().any():
        raise InputError(
            shards[0].parent,
            "a subject is in more than one shard",
            "Write each subject of a MEDS dataset to one file only",
        )
    return held


def write_splits(splits: pl.DataFrame, path: Path) -> None:
    """Write the splits with the schema `meds.SubjectSplitSchema`, including Arrow's string type."""
    table = SubjectSplitSchema.align(splits.to_arrow())
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_splits(path: Path) -> pl.DataFrame:
    """Read the splits: subject_id Int64, split String."""
    return pl.read_parquet(path, columns=["subject_id", "split"])
