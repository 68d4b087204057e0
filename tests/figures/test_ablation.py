"""The figure of the ablation."""

import re
from pathlib import Path

import polars as pl

from behrt.ablation import COMBINATIONS
from behrt.figures.ablation import draw
from behrt.figures.style import save


def test_every_combination_and_panel_is_drawn(tmp_path: Path) -> None:
    table = pl.DataFrame(
        [
            ("T2", "behrt", labels, name, metric, None if i == 2 else 0.3 + i / 50)
            for labels in ("all", "first_incidence")
            for metric in ("APS", "AUROC")
            for i, name in enumerate(COMBINATIONS)
        ],
        schema=["task", "model", "label_set", "embeddings", "metric", "value"],
        orient="row",
    ).with_columns(
        difference=pl.when(pl.col("embeddings") != COMBINATIONS[-1]).then(pl.col("value") - 0.44),
        difference_low=pl.col("value") - 0.45,
        difference_high=pl.col("value") - 0.43,
    )
    figure = draw(table)
    save(figure, tmp_path / "f.png", tmp_path / "f.svg", simulated=True)
    text = "\n".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "f.svg").read_text(), re.S))
    for expected in (
        "T2, behrt",
        "Age",
        "Segment",
        "Position",
        "APS, all labels\nall three: 0.440",
    ):
        assert expected in text
    switches, *panels = figure.axes
    dark = sum(line.get_color() == "#222222" for line in switches.lines)
    assert dark == 12  # each of three is on in half of eight
    for panel in panels:
        assert sum(line.get_marker() == "o" for line in panel.lines) == 7  # one is not shown
