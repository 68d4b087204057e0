"""The table and the figure of training curves."""

import json
from pathlib import Path

import polars as pl
import pytest

from behrt.disclosure import Rules, write_table
from behrt.evaluation.tidy import read_table
from behrt.figures.training import draw
from behrt.run import Run
from behrt.tables.training import table as table_of
from behrt.tasks import Task


def trained(folder: Path, lines: list[dict[str, float]], chosen: int | None) -> tuple[Path, Path]:
    folder.mkdir(parents=True)
    metrics, config = folder / "metrics.jsonl", folder / "config.json"
    metrics.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    config.write_text(json.dumps({} if chosen is None else {"epoch": chosen}))
    return metrics, config


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[Path]]:
    losses = [{"epoch": i, "train_loss": 3 / i, "tuning_loss": 4 / i} for i in (1, 2)]
    scores = [loss | {"tuning_aps": 0.2 * loss["epoch"]} for loss in losses]
    models = [
        trained(tmp_path / "models/mlm", losses, 2),
        trained(tmp_path / "models/T1/behrt", scores, 1),
        trained(tmp_path / "models/T1/history", [{"tuning_aps": 0.5}], None),
    ]
    labels = [[1], [1], [], [2], [2]]
    split = ["tuning", "tuning", "tuning", "tuning", "train"]
    examples, sequences = tmp_path / "T1.parquet", tmp_path / "00.parquet"
    pl.DataFrame({"split": split, "label": labels}).write_parquet(examples)
    pl.DataFrame({"split": split}).write_parquet(sequences)
    metrics, configs = zip(*models, strict=True)
    return {
        "metrics": list(metrics),
        "configs": list(configs),
        "examples": [examples],
        "sequences": [sequences],
    }


def test_every_epoch_has_a_row_and_the_chosen_one_a_ring(
    files: dict[str, list[Path]], tmp_path: Path
) -> None:
    rules = Rules(3)
    path = tmp_path / "training.csv"
    write_table(table_of(Run("simulated", rules, "strict"), **files), path, rules)
    table = read_table(path)
    assert table.select("task", "model", "epoch", "tuning_aps", "chosen").rows() == [
        ("MLM", "mlm", 1, None, False),
        ("MLM", "mlm", 2, None, True),
        ("T1", "behrt", 1, 0.2, True),
        ("T1", "behrt", 2, 0.4, False),
    ]
    figure = draw(table, [Task("T1")])
    rings = [[line.get_xdata() for line in axes.lines][1::2] for axes in figure.axes]
    assert [[list(x) for x in of] for of in rings] == [[[2]], [[1]], [[2]], [[1]], [], [[1]]]


def test_numbers_of_few_tuning_patients_are_blank(files: dict[str, list[Path]]) -> None:
    table = table_of(Run("simulated", Rules(4), "strict"), **files)
    behrt, mlm = (table.filter(model=model) for model in ("behrt", "mlm"))
    assert behrt["tuning_loss"].null_count() == behrt["tuning_aps"].null_count() == 2
    assert behrt["train_loss"].to_list() == [3, 1.5]
    assert mlm["tuning_loss"].to_list() == [4, 2]
    assert "too few patients to show" in str(
        [text.get_text() for text in draw(table, [Task("T1")]).axes[3].texts]
    )
