"""The figure of the diseases of one sex."""

import re
from pathlib import Path

import polars as pl
import pytest

from behrt.figures.sex_specific import draw
from behrt.figures.style import save


def rows(model: str, recorded_other: list[int | None], auroc: list[float]) -> pl.DataFrame:
    n = len(auroc)
    shares = {
        f"ranked_{side}_share{end}": [value] * n
        for side, middle in (("own", 0.2), ("other", None))
        for end, value in (
            ("", middle),
            ("_low", middle and middle - 0.1),
            ("_high", middle and middle + 0.1),
        )
    }
    return pl.DataFrame(
        {
            "model": [model] * n,
            "disease": [f"Disease {i}" for i in range(n)],
            "sex": ["male", "female", "male"][:n],
            "recorded_other": recorded_other,
            "patients_own": [100] * n,
            "patients_other": [100] * n,
            "auroc": auroc,
            **shares,
        }
    )


@pytest.mark.parametrize("n", [0, 3])
def test_every_disease_and_model_is_drawn(n: int, tmp_path: Path) -> None:
    table = pl.concat(
        [
            rows("behrt", [0, None, 7][:n], [0.6, 0.7, 0.4][:n]),
            rows("deepr", [0, None, 7][:n], [0.9, 0.9, 0.4][:n]),
        ]
    )
    figure = draw(table, "behrt", 10)
    save(figure, tmp_path / "f.png", tmp_path / "f.svg", simulated=True)
    text = "\n".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "f.svg").read_text(), re.S))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    bold = [label.get_weight() for label in figure.axes[0].get_yticklabels()]
    if n:
        assert names == ["Disease 1", "Disease 0", "Disease 2"]
        assert bold == ["bold", "normal", "bold"]
        assert "deepr" in text
        assert "too few patients to be shown" in text
    assert "Simulated data" in text
