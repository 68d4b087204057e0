"""Label files of MEDS: what is used, and what is refused and counted."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from behrt.errors import InputError
from behrt.outcomes.label_files import take_labels

from .people import sequence, sequences

GOOD = [
    *((n, datetime(2010, 3, 10), True) for n in (1, 2, 3)),
    *((n, datetime(2012, 1, 1), False) for n in (1, 2, 3)),
]
BAD = {
    "unknown subject": (9, datetime(2010, 1, 1), True),
    "before birth": (1, datetime(1949, 12, 31), True),
    "after the end of the record": (1, datetime(2021, 1, 1), False),
    "no visit before the prediction": (1, datetime(2005, 1, 1), False),
    "blank or unreadable subject_id": (None, datetime(2010, 1, 1), True),
    "blank or unreadable prediction_time": (1, None, True),
    "blank or unreadable boolean_value": (1, datetime(2011, 1, 1), None),
    "repeated": GOOD[0],
}
SCHEMA = {"subject_id": pl.Int64, "prediction_time": pl.Datetime("us"), "boolean_value": pl.Boolean}


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{n}.parquet" for n in range(2)]
    rows = [
        sequence(n, {"2010-03-10": {0}, "2011-05-05": {1}}, split=split)
        for n, split in enumerate(("train", "tuning", "held_out"), start=1)
    ]
    sequences(*rows[:2]).write_parquet(paths[0])
    sequences(rows[2]).write_parquet(paths[1])
    return paths


def written(folder: Path, rows: list[tuple[object, ...]], csv: bool = False) -> Path:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    path = folder / ("labels.csv" if csv else "labels.parquet")
    if csv:
        frame.write_csv(path)
    else:
        frame.with_columns(categorical_value=pl.lit("x")).write_parquet(path)
    return path


@pytest.mark.parametrize("csv", [False, True])
def test_labels_that_cannot_be_used_are_counted_by_reason(
    tmp_path: Path, shards: list[Path], csv: bool
) -> None:
    path = written(tmp_path, [*GOOD, *BAD.values()], csv)
    labels, counts = take_labels(path, shards, "mine", 1.0, True)
    assert labels.select(*SCHEMA).sort("prediction_time").rows() == GOOD
    assert labels["input_visits"].to_list() == [1, 2] * 3
    assert counts.rows == len(GOOD) + len(BAD)
    assert dict(counts.unused) == dict.fromkeys(BAD, 1)
    # A label without history does not count towards the share that may be refused.
    take_labels(path, shards, "mine", (len(BAD) - 1) / counts.rows, True)
    with pytest.raises(InputError, match=r"50.0% of the labels cannot be used.*unknown subject"):
        take_labels(path, shards, "mine", (len(BAD) - 1.1) / counts.rows, True)


def test_records_of_the_day_are_input_where_they_are_not_later(
    tmp_path: Path, shards: list[Path]
) -> None:
    path = written(tmp_path, GOOD)
    labels, counts = take_labels(path, shards, "mine", 1.0, True)
    assert counts.unused == {}
    with pytest.raises(InputError, match="all labels are equal"):
        take_labels(path, shards, "mine", 1.0, False)
    noon = [(n, datetime(2011, 5, 5, 12), False) for n in (1, 2, 3)]
    later = [(n, datetime(2013, 1, 1), True) for n in (1, 2, 3)]
    for of_the_day, visits in ((True, 2), (False, 1)):
        labels, _ = take_labels(written(tmp_path, noon + later), shards, "mine", 1, of_the_day)
        assert labels.filter(~pl.col("boolean_value"))["input_visits"].to_list() == [visits] * 3


def test_contradictions_are_refused_and_several_times_a_subject_stay_in_its_split(
    tmp_path: Path, shards: list[Path]
) -> None:
    other = [(1, datetime(2010, 3, 10), False)]
    labels, counts = take_labels(
        written(tmp_path, [*GOOD, *other, (1, datetime(2013, 1, 1), True)]), shards, "m", 1, True
    )
    assert counts.unused == {"contradicted by another label": 2}
    assert (
        labels.group_by("subject_id").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 3
    )


def test_held_out_labels_before_the_cut_off_are_not_used(
    tmp_path: Path, shards: list[Path]
) -> None:
    with pytest.raises(InputError, match="there is no label among the held-out"):
        take_labels(written(tmp_path, GOOD), shards, "mine", 0, True, date(2015, 1, 1))


def test_training_labels_from_the_cut_off_on_are_left_out_and_are_no_error(
    tmp_path: Path, shards: list[Path]
) -> None:
    late = [(n, datetime(2013, month, 1), month == 5) for n in (1, 2, 3) for month in (4, 5)]
    early = [(n, day, event) for n, day, event in GOOD if n != 3]
    cut_off = date(2013, 4, 1)
    labels, counts = take_labels(written(tmp_path, early + late), shards, "m", 0, True, cut_off)
    assert labels.height == len(early) + 2
    assert counts.unused == {"from the cut-off on, not held out": 4}


def test_files_that_are_no_labels(tmp_path: Path, shards: list[Path]) -> None:
    wrong = tmp_path / "labels.csv"
    wrong.write_text("subject_id,prediction_time,value\n1,2010-01-01,1\n")
    with pytest.raises(InputError, match="no column boolean_value"):
        take_labels(wrong, shards, "mine", 0, True)
    other = tmp_path / "labels.parquet"
    pl.DataFrame({"subject_id": [1], "prediction_time": [3.5], "boolean_value": [1]}).write_parquet(
        other
    )
    with pytest.raises(InputError, match="prediction_time is of type Float64"):
        take_labels(other, shards, "mine", 0, True)
    other.write_text("no Parquet")
    with pytest.raises(InputError, match="cannot be read"):
        take_labels(other, shards, "mine", 0, True)
