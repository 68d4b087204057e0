"""The table and the figure of a search."""

import re
from pathlib import Path

import numpy as np
import pytest

from behrt.disclosure import Rules
from behrt.evaluation.tidy import read_table
from behrt.figures.models import COURSE_TITLES
from behrt.figures.search import draw
from behrt.figures.style import save
from behrt.files import write_csv
from behrt.learning.chosen import Trial, write_trial
from behrt.run import Run
from behrt.tables.search import table as table_of

CURVES = [([0.30, 0.31], False), ([0.35, 0.33], False), ([0.1, 0.2], True), ([0.34, 0.4], False)]


def trials(metric: str) -> list[Trial]:
    return [
        Trial(i // 2, i % 2, {"size": 8 + i}, {"learning_rate": 0.1}, metric, scores, pruned)
        for i, (scores, pruned) in enumerate(CURVES)
    ]


@pytest.mark.parametrize(
    ("metric", "scores", "chosen"),
    [
        ("tuning_aps", [0.31, 0.35, 0.2, 0.4], 3),
        ("tuning_loss", [0.30, 0.33, 0.1, 0.34], 0),
    ],
)
def test_every_trial_has_a_row_and_a_mark(
    metric: str, scores: list[float], chosen: int, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{i}.json" for i in range(len(CURVES))]
    for trial, path in zip(trials(metric), paths, strict=True):
        write_trial(trial, path)
    table = table_of(Run("simulated", Rules(5)), paths, "deepr", "T2")
    assert table.columns[:4] == ["searched", "task", "round", "trial"]
    assert table["round"].to_list() == [1, 1, 2, 2]
    assert table["size"].to_list() == [8, 9, 10, 11]
    assert table["score"].to_list() == scores
    outcome = ["whole", "whole", "given up", "whole"]
    outcome[chosen] = "chosen"
    assert table["outcome"].to_list() == outcome
    write_csv(table, tmp_path / "search.csv")
    figure = draw([read_table(tmp_path / "search.csv")] * 2)
    save(figure, tmp_path / "figure.png", tmp_path / "figure.svg", simulated=True)
    text = "\n".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "figure.svg").read_text(), re.S))
    for word in ("deepr (T2)", "given up", "chosen", "best so far", COURSE_TITLES[metric]):
        assert word in text
    axes = figure.axes[0]
    marks = {c.get_label(): np.asarray(c.get_offsets()) for c in axes.collections}
    assert marks["chosen"].tolist() == [[chosen + 1, scores[chosen]]]
    assert marks["given up"].tolist() == [[3, scores[2]]]
    assert sum(len(places) for places in marks.values()) == 4
    best = axes.lines[-1].get_ydata()
    whole = [scores[0], scores[1], np.nan, scores[3]]
    accumulate = np.fmax if metric == "tuning_aps" else np.fmin
    assert np.asarray(best).tolist() == accumulate.accumulate(whole).tolist()
