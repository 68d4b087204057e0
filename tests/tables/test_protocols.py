"""Protocols side by side: scores, differences from strict, and the precision of pretraining."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.disclosure import Rules
from behrt.run import Run
from behrt.tables.protocols import read_precision
from behrt.tables.protocols import table as table_of
from behrt.tasks import Task

PROTOCOLS = ["strict", "test_epochs", "all"]
COLUMNS = ["aps_all", "auroc_all", "aps_first", "auroc_first"]


def write_pretraining(folder: Path, precisions: list[float | None]) -> Path:
    """Write metrics of epochs whose loss falls until the last but one."""
    losses = [*range(len(precisions), 1, -1), 9]
    lines = [
        json.dumps({"epoch": i, "tuning_loss": loss, "tuning_precision": precision})
        for i, (loss, precision) in enumerate(zip(losses, precisions, strict=True))
    ]
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "metrics.jsonl"


def test_protocols_are_compared_with_strict(tmp_path: Path) -> None:
    base = np.random.default_rng(4).uniform(0.2, 0.6, (200, 4))
    paths = [tmp_path / p / f"{task}.parquet" for task in ("T1", "T2") for p in PROTOCOLS]
    pretraining = []
    for i, protocol in enumerate(PROTOCOLS):
        for path in (path for path in paths if path.parent.name == protocol):
            path.parent.mkdir(exist_ok=True)
            frame = pl.DataFrame(base + 0.05 * i, schema=COLUMNS)
            frame.with_row_index("subject_id").write_parquet(path)
        pretraining.append(write_pretraining(tmp_path / "mlm" / protocol, [0.1, 0.3 + i / 10, 0.9]))
    run = Run("simulated", Rules(5), resamples=100, seed=1)
    tasks = [Task("T1"), Task("T2", 6)]
    table = table_of(run, paths, pretraining, "behrt", tasks, PROTOCOLS)
    assert table.columns[:5] == ["model", "label_set", "task", "protocol", "metric"]
    assert set(table["model"]) == {"behrt"}
    assert len(table) == 2 * 2 * 3 * 2 + 3
    scores = table.filter(pl.col("task") != "MLM")
    for i, protocol in enumerate(PROTOCOLS[1:], start=1):
        worth = scores.filter(protocol=protocol)
        for column in ("difference", "difference_low", "difference_high"):
            assert worth[column].to_list() == pytest.approx([0.05 * i] * 8)
    assert scores.filter(protocol="strict")["difference"].null_count() == 8
    learned = table.filter(task="MLM")
    assert learned["value"].to_list() == pytest.approx([0.3, 0.4, 0.5])
    assert learned["difference"].to_list() == [None, pytest.approx(0.1), pytest.approx(0.2)]


def test_an_undefined_precision_stays_so(tmp_path: Path) -> None:
    assert read_precision(write_pretraining(tmp_path / "mlm", [0.2, None, 0.9])) is None
