"""What the figures of models side by side show."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex

from behrt.figures import disease_differences, trends

from .test_drawings import words

MODELS = ["behrt", "deepr", "prevalence", "history", "oracle_records", "oracle"]


def models_table(models: list[str]) -> pl.DataFrame:
    rows = [
        {"protocol": "strict", "task": task, "model": model, "metric": metric}
        for task in ("T1", "T2", "T3")
        for model in models
        for metric in ("APS", "AUROC")
    ]
    value = np.random.default_rng(1).uniform(0.2, 0.9, len(rows))
    return pl.DataFrame(rows).with_columns(value=value, low=value - 0.02, high=value + 0.03)


def test_trends_show_every_model_and_task(tmp_path: Path) -> None:
    table = models_table(MODELS)
    figure = trends.draw(table, table)
    text = words(figure, tmp_path)
    for expected in (*MODELS, "T1", "T2", "T3", "All labels (Table 1)", "strict protocol"):
        assert expected in text
    aps = table.filter(metric="APS", model="deepr")["value"].to_list()
    lines = [line.get_ydata() for line in figure.axes[0].get_lines()]
    assert any(list(line) == aps for line in lines)


def test_trends_leave_out_what_is_not_shown(tmp_path: Path) -> None:
    table = models_table(MODELS[:2])
    hidden = pl.col("task") == "T2"
    table = table.with_columns(
        pl.when(~hidden).then(pl.col("value", "low", "high")),
    ).with_columns(low=pl.lit(None, pl.String))
    figure = trends.draw(table, table)
    words(figure, tmp_path)
    assert {len(line.get_xdata()) for line in figure.axes[0].get_lines()} == {2}


def differences(diseases: int) -> pl.DataFrame:
    rows = [
        {"model": model, "other": other, "metric": metric, "disease": f"Disease {i:02d}"}
        for model, other in (("behrt", "deepr"), ("behrt", "history"), ("mask", "deepr"))
        for metric in ("APS", "AUROC")
        for i in range(diseases)
    ]
    place = np.arange(len(rows)) % max(diseases, 1)
    schema = dict.fromkeys(["model", "other", "metric", "disease"], pl.String)
    return pl.DataFrame(rows, schema=schema).with_columns(
        task=pl.lit("T2"),
        protocol=pl.lit("strict"),
        patients=pl.lit(4321),
        difference=pl.Series(place / 100 - 0.05),
        difference_low=pl.Series(place / 100 - 0.07),
        difference_high=pl.Series(place / 100 - 0.03),
        p_benjamini_hochberg=pl.Series(np.where(np.isin(place, [0, 9]), 0.01, 0.4)),
    )


def test_differences_have_a_column_a_model_and_a_line_a_disease(tmp_path: Path) -> None:
    figure = disease_differences.draw(differences(10), "behrt")
    assert len(figure.axes) == 2
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() in ("o", "^", "v")]
    drawn = {to_hex(line.get_markerfacecolor()): len(line.get_xdata()) for line in points}
    assert sorted(drawn.values()) == [1, 1, 8]
    assert drawn["#ffffff"] == 8
    text = words(figure, tmp_path)
    for expected in ("− deepr", "− history", "Disease 00", "Disease 09", "4,321 held-out patients"):
        assert expected in text
    assert "mask" not in text


@pytest.mark.parametrize("diseases", [0, 1])
def test_few_differences_are_drawn_too(diseases: int, tmp_path: Path) -> None:
    words(disease_differences.draw(differences(diseases), "behrt"), tmp_path)
    nothing = differences(diseases).with_columns(difference=pl.lit(None, pl.String))
    words(disease_differences.draw(nothing, "behrt"), tmp_path)
