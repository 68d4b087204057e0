"""Diseases of one sex: counts by hand, the AUROC against scikit-learn, and what is hidden."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from behrt.caliber.sex_specific import SexSpecific
from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.sex_specific import patients_by_sex, read_sexes, tabulate, tabulate_model

OF_WOMEN = SexSpecific(0, "Of women", "female")
OF_MEN = SexSpecific(1, "Of men", "male")


def row_of(
    scores: list[list[float]],
    sexes: list[int],
    known: list[list[int]],
    disease: SexSpecific = OF_WOMEN,
    threshold: int = 0,
    ranks: int = 1,
) -> dict[str, object]:
    values = np.array(scores, dtype=np.float32)
    patients = pl.DataFrame({"known": known}, schema={"known": pl.List(pl.Int16)})
    recorded = np.array([[0, 3, 40], [0, 20, 0], [0, 0, 0]])
    table = tabulate_model(
        patients,
        np.array(sexes, dtype=np.int8),
        values,
        [disease],
        recorded,
        0.5,
        ranks,
        Bootstrap(50, 1),
        "T2",
        Rules(threshold),
    )
    return table.row(0, named=True)


def test_the_counts_by_hand() -> None:
    row = row_of(
        scores=[
            [0.9, 0.1, 0.2],  # a woman: predicted, and first
            [0.5, 0.1, 0.6],  # a woman: predicted, and second
            [0.1, 0.3, 0.2],  # a woman: neither
            [0.6, 0.1, 0.6],  # a man: predicted, and first with another; on record
            [0.3, 0.1, 0.2],  # a man: first
            [0.4, 0.1, 0.7],  # a man: neither
            [0.9, 0.1, 0.2],  # sex unknown
        ],
        sexes=[2, 2, 2, 1, 1, 1, 0],
        known=[[0], [], [1], [0, 2], [], [0], []],
    )
    expected = {
        "disease": "Of women",
        "sex": "female",
        "patients_own": 3,
        "patients_other": 3,
        "recorded_own": 40,
        "recorded_other": 3,
        "predicted_own": 2,
        "predicted_other": 1,
        "ranked_own": 1,
        "ranked_other": 2,
        "ranked_other_recorded": 1,
        "predicted_own_share": 0.6667,
        "ranked_other_share": 0.6667,
    }
    assert {name: row[name] for name in expected} == expected
    # Clopper and Pearson's interval of 2 in 3
    assert row["predicted_own_share_low"] == pytest.approx(0.0943, abs=1e-4)
    assert row["predicted_own_share_high"] == pytest.approx(0.9916, abs=1e-4)


@pytest.mark.parametrize("disease", [OF_WOMEN, OF_MEN])
def test_the_auroc_tells_the_sexes_apart(disease: SexSpecific) -> None:
    random = np.random.default_rng(7)
    sexes = random.integers(0, 3, size=200)
    scores = random.random((200, 3)).round(1)
    row = row_of(scores.tolist(), sexes.tolist(), [[]] * 200, disease)
    known = sexes > 0
    expected = roc_auc_score(
        sexes[known] == disease.own, scores[known, disease.disease].astype(np.float32)
    )
    assert row["auroc"] == pytest.approx(expected, abs=6e-5)
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]


def test_small_counts_are_hidden() -> None:
    sexes = [2] * 30 + [1] * 30
    scores = [[0.9, 0.0, 0.1]] * 10 + [[0.0, 0.0, 0.1]] * 20
    scores += [[0.9, 0.0, 0.1]] * 3 + [[0.0, 0.0, 0.1]] * 27
    row = row_of(scores, sexes, [[]] * 60, threshold=5)
    assert row["recorded_other"] is None
    assert row["recorded_own"] == 40
    assert row["predicted_own"] == row["ranked_own"] == 10
    for name in ("predicted_other", "predicted_other_share", "ranked_other"):
        assert row[name] is None
    assert row["ranked_other_share_high"] is None
    assert row["ranked_other_recorded"] is None


def test_nearly_all_is_hidden_too_and_none_is_not() -> None:
    sexes = [2] * 30 + [1] * 30
    scores = [[0.9, 0.0, 0.1]] * 28 + [[0.0, 0.0, 0.1]] * 32
    row = row_of(scores, sexes, [[]] * 60, threshold=5)
    assert row["predicted_own"] is None
    assert row["predicted_other"] == 0
    assert row["predicted_other_share_high"] == pytest.approx(0.1157, abs=1e-4)


def test_a_sex_that_nobody_has_leaves_no_score() -> None:
    row = row_of([[0.9, 0.0, 0.1]] * 6, [2] * 6, [[]] * 6)
    assert row["patients_other"] == 0
    assert row["predicted_other_share"] is None
    assert row["auroc"] is None


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    schema = {
        "subject_id": pl.Int64,
        "split": pl.String,
        "sex": pl.Int8,
        "code": pl.List(pl.Int16),
    }
    rows = [
        [(1, "train", 1, [0, 0, 2]), (3, "held_out", 2, [0])],
        [(2, "held_out", 1, []), (4, "tuning", 0, [0])],
    ]
    for i, shard in enumerate(rows):
        pl.DataFrame(shard, schema=schema, orient="row").write_parquet(tmp_path / f"{i}.parquet")
    return [tmp_path / "0.parquet", tmp_path / "1.parquet"]


def test_every_patient_counts_once_whatever_their_split(shards: list[Path]) -> None:
    assert patients_by_sex(shards, 3).tolist() == [[1, 1, 1], [0, 0, 0], [0, 1, 0]]


def test_sexes_come_in_the_patients_order(shards: list[Path]) -> None:
    assert read_sexes(shards, pl.DataFrame({"subject_id": [4, 1, 3]})).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="in no shard"):
        read_sexes(shards, pl.DataFrame({"subject_id": [4, 9]}))


def test_each_model_has_its_rows(shards: list[Path], tmp_path: Path) -> None:
    label = pl.List(pl.Int16)
    pl.DataFrame(
        {
            "subject_id": [2, 3],
            "split": ["held_out", "held_out"],
            "input_visits": [4, 4],
            "label": [[2], [0]],
            "known": [[0], [0]],
        },
        schema_overrides={"label": label, "known": label},
    ).write_parquet(tmp_path / "T2.parquet")
    paths = []
    for model in ("one", "two"):
        paths.append(tmp_path / f"{model}.parquet")
        pl.DataFrame(
            {"subject_id": [2, 3], "scores": [[0.1, 0.2, 0.3], [0.9, 0.2, 0.3]]},
            schema_overrides={"scores": pl.Array(pl.Float32, 3)},
        ).write_parquet(paths[-1])
    table = tabulate(
        tmp_path / "T2.parquet",
        paths,
        shards,
        3,
        [OF_WOMEN, OF_MEN],
        "T2",
        0.5,
        1,
        Bootstrap(20, 1),
        Rules(0),
    )
    assert table["model"].to_list() == ["one", "one", "two", "two"]
    assert table["predicted_own"].to_list() == [1, 0, 1, 0]
    assert table["auroc"][0] == 1.0
