"""The split: by patient, by hash, in MEDS's own form."""

from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from meds import SubjectSplitSchema
from meds.schema import held_out_split, train_split, tuning_split

from behrt.errors import InputError
from behrt.sequences.frames import SPLITS
from behrt.sequences.split import (
    chosen_split,
    draw_splits,
    read_practices,
    read_splits,
    read_subjects,
    take_splits,
    write_splits,
)

MANY = pl.Series("subject_id", range(1, 20_001), dtype=pl.Int64)


def test_splits_are_those_of_meds() -> None:
    assert (train_split, tuning_split, held_out_split) == SPLITS


def test_shares_are_met_and_every_subject_has_one_split() -> None:
    splits = draw_splits(MANY, held_out=0.2, tuning=0.1, seed=1)
    assert splits["subject_id"].to_list() == MANY.to_list()
    shares = dict(splits["split"].value_counts(normalize=True).iter_rows())
    # four standard deviations of a share of 20,000 draws
    assert shares["held_out"] == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / 20_000))
    assert shares["tuning"] == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / 20_000))
    assert set(shares) == {"train", "tuning", "held_out"}


@given(st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_a_split_does_not_depend_on_the_other_patients(seed: int, random: Random) -> None:
    everyone = draw_splits(MANY[:2000], 0.2, 0.1, seed)
    some = pl.Series("subject_id", random.sample(range(1, 2001), 500), dtype=pl.Int64)
    again = draw_splits(some, 0.2, 0.1, seed)
    assert again.equals(everyone.filter(pl.col("subject_id").is_in(some.implode())))


def test_seeds_split_independently() -> None:
    one, other = (draw_splits(MANY, 0.5, 0.1, seed)["split"] == "held_out" for seed in (1, 2))
    assert (one & other).mean() == pytest.approx(0.25, abs=0.015)


def test_the_file_is_valid_meds(tmp_path: Path) -> None:
    splits = draw_splits(MANY[:100], 0.2, 0.1, 3)
    write_splits(splits, tmp_path / "subject_splits.parquet")
    SubjectSplitSchema.validate(pq.read_table(tmp_path / "subject_splits.parquet"))
    assert read_splits(tmp_path / "subject_splits.parquet").equals(splits)


def test_subjects_are_read_once_and_never_from_two_shards(tmp_path: Path) -> None:
    shards = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    pl.DataFrame({"subject_id": [5, 5, 1]}).write_parquet(shards[0])
    pl.DataFrame({"subject_id": [2, 2]}).write_parquet(shards[1])
    assert sorted(read_subjects(shards)) == [1, 2, 5]
    pl.DataFrame({"subject_id": [2, 5]}).write_parquet(shards[1])
    with pytest.raises(InputError, match="more than one shard"):
        read_subjects(shards)


@pytest.mark.parametrize(("held_out", "tuning"), [(0.0, 0.1), (0.5, 0.5), (0.2, 0.0), (1.2, 0.1)])
def test_shares_that_leave_a_split_out_are_refused(held_out: float, tuning: float) -> None:
    with pytest.raises(InputError, match="without a share"):
        draw_splits(MANY, held_out, tuning, 1)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(InputError, match="no patient falls into"):
        draw_splits(MANY[:2], 0.2, 0.1, 1)


@given(st.integers(0, 2**31))
def test_a_practice_is_in_one_split(seed: int) -> None:
    practice = MANY[:3000] % 300
    drawn = draw_splits(MANY[:3000], 0.2, 0.1, seed, practice).with_columns(practice=practice)
    assert drawn.group_by("practice").agg(pl.col("split").n_unique())["split"].max() == 1
    fewer = pl.Series("subject_id", range(1, 3001, 7), dtype=pl.Int64)
    again = draw_splits(fewer, 0.2, 0.1, seed, fewer % 300)
    assert again.equals(drawn.filter(pl.col("subject_id") % 7 == 1).drop("practice"))


def test_shares_of_practices_are_met_on_average() -> None:
    practice = MANY.rename("practice")  # a practice of one patient each
    shares = draw_splits(MANY, 0.2, 0.1, 4, practice)["split"].value_counts(normalize=True)
    assert dict(shares.iter_rows())["held_out"] == pytest.approx(0.2, abs=0.012)


def test_too_few_practices_are_refused() -> None:
    with pytest.raises(InputError, match=r"no patient falls into .* Use more practices"):
        draw_splits(MANY, 0.2, 0.1, 1, pl.repeat(7, len(MANY), dtype=pl.Int64, eager=True))


def test_practices_are_read_for_every_subject_or_refused(tmp_path: Path) -> None:
    events = {
        "subject_id": [1, 1, 2, 2, 3],
        "code": ["PRACTICE//12", "SEX//male", "PRACTICE//7", "PRACTICE//7", "PRACTICE//x"],
    }
    shard = tmp_path / "0.parquet"
    pl.DataFrame(events).write_parquet(shard)
    wanted = pl.Series("subject_id", [2, 1], dtype=pl.Int64)
    assert read_practices([shard], wanted).to_list() == [7, 12]
    for subjects in ([1, 2, 3], [1, 2, 4]):
        with pytest.raises(InputError, match="a patient has no practice"):
            read_practices([shard], pl.Series("subject_id", subjects, dtype=pl.Int64))
    pl.DataFrame({"subject_id": [1], "code": ["PRACTICE//9"]}).write_parquet(tmp_path / "1.parquet")
    with pytest.raises(InputError, match="or more than one"):
        read_practices([shard, tmp_path / "1.parquet"], wanted)


@pytest.mark.parametrize(
    ("by", "own", "chosen"),
    [
        (None, True, "dataset"),
        (None, False, "patient"),
        ("patient", True, "patient"),
        ("dataset", True, "dataset"),
    ],
)
def test_the_sources_own_split_is_used_unless_another_is_chosen(
    by: str | None, own: bool, chosen: str
) -> None:
    assert chosen_split(by, Path("splits") if own else None) == chosen


def test_the_sources_own_split_must_be_there_if_it_is_chosen() -> None:
    with pytest.raises(InputError, match=r"no metadata/subject_splits\.parquet"):
        chosen_split("dataset", None)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ({1: "train", -2: "tuning", 3: "held_out", 9: "train"}, ""),
        ({1: "train", -2: "tuning", 4: "held_out"}, "has no split"),
        ({1: "train", -2: "tuning", 3: "test"}, "splits other than"),
        ({1: "train", -2: "tuning", 3: "train"}, "no patient of the cohort is in held_out"),
    ],
    ids=["whole", "a subject lacks", "another name", "none held out"],
)
def test_the_sources_own_split_is_taken_as_it_is(
    tmp_path: Path, rows: dict[int, str], error: str
) -> None:
    path = tmp_path / "subject_splits.parquet"
    pl.DataFrame({"subject_id": list(rows), "split": list(rows.values())}).write_parquet(path)
    studied = pl.Series([3, 1, -2])
    if error:
        with pytest.raises(InputError, match=error):
            take_splits(path, studied)
    else:
        assert dict(take_splits(path, studied).iter_rows()) == {
            -2: "tuning",
            1: "train",
            3: "held_out",
        }


def test_a_subject_in_two_splits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "subject_splits.parquet"
    rows = {"subject_id": [1, 1, 2], "split": ["train", "tuning", "held_out"]}
    pl.DataFrame(rows).write_parquet(path)
    with pytest.raises(InputError, match="a subject is in two splits"):
        take_splits(path, pl.Series([1, 2]))
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read as a split"):
        take_splits(path, pl.Series([1, 2]))
