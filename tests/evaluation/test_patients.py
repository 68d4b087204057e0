"""Which patients are scored, on which labels, and that a wrong file is refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from behrt.errors import InputError
from behrt.evaluation.patients import read_held_out, score_patients
from behrt.sequences.frames import TaskExamples

N_DISEASES = 12


@dataclass(frozen=True)
class Files:
    task: Path
    folder: Path

    def predict(self, model: str, scores: np.ndarray) -> Path:
        """Write one model's scores of the held-out patients, in the order of the task."""
        held_out = pl.read_parquet(self.task).filter(pl.col("split") == "held_out")
        path = self.folder / f"{model}.parquet"
        held_out.select("subject_id").with_columns(
            pl.Series("scores", scores.astype(np.float32), pl.Array(pl.Float32, N_DISEASES))
        ).write_parquet(path)
        return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return a task of 60 patients: every third trains, one of the rest in five has no label."""
    random = np.random.default_rng(7)
    rows = [
        {
            "subject_id": 1000 + i,
            "split": "train" if i % 3 == 0 else "held_out",
            "input_visits": 4,
            "label": []
            if i % 5 == 0
            else sorted(random.choice(N_DISEASES, random.integers(1, 4), replace=False).tolist()),
            "known": sorted(random.choice(N_DISEASES, 3, replace=False).tolist()),
        }
        for i in range(60)
    ]
    TaskExamples.validate(pl.DataFrame(rows), cast=True).write_parquet(tmp_path / "T2.parquet")
    return Files(tmp_path / "T2.parquet", tmp_path)


def test_scores_equal_scikit_learn_patient_by_patient(files: Files) -> None:
    scores = np.random.default_rng(1).random((40, N_DISEASES)).round(1)
    path = files.predict("behrt", scores)
    scored = score_patients(*read_held_out(files.task, path, N_DISEASES))
    task = pl.read_parquet(files.task).filter(
        (pl.col("split") == "held_out") & (pl.col("label").list.len() > 0)
    )
    assert scored["subject_id"].to_list() == sorted(task["subject_id"])
    predicted = dict(pl.read_parquet(path).iter_rows())
    first_undefined = 0
    for row, example in zip(
        scored.iter_rows(named=True), task.sort("subject_id").iter_rows(named=True), strict=True
    ):
        ranked = np.array(predicted[row["subject_id"]])
        truth = np.isin(np.arange(N_DISEASES), example["label"])
        new = ~np.isin(np.arange(N_DISEASES), example["known"])
        assert row["aps_all"] == pytest.approx(average_precision_score(truth, ranked))
        assert row["auroc_all"] == pytest.approx(roc_auc_score(truth, ranked))
        if truth[new].any():
            first = average_precision_score(truth[new], ranked[new])
            assert row["aps_first"] == pytest.approx(first)
            assert row["auroc_first"] == pytest.approx(roc_auc_score(truth[new], ranked[new]))
        else:
            first_undefined += 1
            assert row["aps_first"] is None
            assert row["auroc_first"] is None
    assert first_undefined > 0


def test_a_patient_by_hand() -> None:
    patients = pl.DataFrame({"subject_id": [1], "label": [[0, 3]], "known": [[0, 1]]})
    scores = np.array([[0.9, 0.8, 0.7, 0.6]], dtype=np.float32)
    (row,) = score_patients(patients, scores).rows(named=True)
    assert row["aps_all"] == pytest.approx((1 + 2 / 4) / 2)
    assert row["auroc_all"] == pytest.approx(0.5)
    # Diseases 0 and 1 are known, so 3 is ranked against 2 alone.
    assert row["aps_first"] == pytest.approx(0.5)
    assert row["auroc_first"] == 0


def test_the_order_of_the_predictions_does_not_matter(files: Files) -> None:
    path = files.predict("behrt", np.random.default_rng(1).random((40, N_DISEASES)))
    before = score_patients(*read_held_out(files.task, path, N_DISEASES))
    pl.read_parquet(path).reverse().write_parquet(path)
    assert score_patients(*read_held_out(files.task, path, N_DISEASES)).equals(before)


def test_wrong_predictions_are_refused(files: Files) -> None:
    good = np.random.default_rng(1).random((40, N_DISEASES))
    path = files.predict("behrt", good)
    with pytest.raises(InputError, match="does not hold 13 scores"):
        read_held_out(files.task, path, N_DISEASES + 1)
    frame = pl.read_parquet(path)
    frame.head(10).write_parquet(path)
    with pytest.raises(InputError, match="no scores"):
        read_held_out(files.task, path, N_DISEASES)
    pl.concat([frame, frame]).write_parquet(path)
    with pytest.raises(InputError, match="two rows"):
        read_held_out(files.task, path, N_DISEASES)
    for wrong in (np.nan, 1.5):
        path = files.predict("behrt", np.where(np.arange(N_DISEASES) == 3, wrong, good))
        with pytest.raises(InputError, match="not a probability"):
            read_held_out(files.task, path, N_DISEASES)
