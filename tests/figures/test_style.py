"""The shared look: fixed marks, files of the same bytes, and the word on simulated data."""

import hashlib
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from behrt.figures.models import model_marks
from behrt.figures.style import chapter_marks, new_figure, save


def draw(folder: Path, simulated: bool) -> tuple[Path, Path]:
    figure = new_figure(3, 2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [1, 0], label="line")
    axes.fill_between([0, 1], [0, 1])  # clip paths and gradients carry ids in SVG
    axes.legend()
    png, svg = folder / "figure.png", folder / "figure.svg"
    save(figure, png, svg, simulated)
    return png, svg


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_drawing_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "a", True), draw(tmp_path / "b", True)
    assert [digest(path) for path in first] == [digest(path) for path in second]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["figure.png", "figure.svg"]


def test_simulated_data_is_said_so_and_only_then(tmp_path: Path) -> None:
    simulated = draw(tmp_path / "simulated", True)[1].read_text(encoding="utf-8")
    real = draw(tmp_path / "real", False)[1].read_text(encoding="utf-8")
    assert "<!-- Simulated data -->" in simulated
    assert "Simulated data" not in real
    ElementTree.fromstring(simulated)


def test_a_chapter_keeps_its_mark_whatever_the_order_of_arrival() -> None:
    chapters = [f"Chapter {i:02d}" for i in range(16)]
    marks = chapter_marks(chapters)
    assert marks == chapter_marks(reversed(chapters * 2))
    assert len(set(marks.values())) == 16
    assert len({mark.colour for mark in marks.values()}) == 16


# Machado, Oliveira and Fernandes (IEEE Trans. Vis. Comput. Graph. 2009), severity 1, linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
# IEC 61966-2-1 (sRGB): linear RGB to XYZ, white D65.
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193, 0.1192, 0.9503]]
)
APART = 12.0
"""Difference of colours (CIE 1976) that is seen at once; the least noticeable one is about 2.3."""


def seen(colour: str, vision: str) -> np.ndarray:
    """Return a colour in CIE L*a*b* as a kind of colour vision sees it."""
    encoded = np.array(to_rgb(colour))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: str, other: str) -> float:
    """Return the least difference of two colours over the kinds of colour vision."""
    return min(float(np.linalg.norm(seen(one, v) - seen(other, v))) for v in VISION)


def test_the_simulated_vision_confuses_red_and_green() -> None:
    assert difference("#FFFFFF", "#000000") == pytest.approx(100, abs=0.1)
    assert difference("#D55E00", "#7A7A00") < 2.3


def test_every_reader_can_tell_the_series_of_a_figure_apart() -> None:
    marks = model_marks(
        [*(f"model{i}" for i in range(16)), "prevalence", "history", "oracle_records", "oracle"]
    )
    for (one, a), (other, b) in itertools.combinations(marks.items(), 2):
        shape = a.marker != b.marker and a.line != b.line
        assert shape or difference(a.colour, b.colour) > APART, (one, other)


def test_every_reader_can_tell_the_chapters_of_a_marker_apart() -> None:
    marks = chapter_marks(f"Chapter {i:02d}" for i in range(16))
    for a, b in itertools.combinations(marks.values(), 2):
        assert a.marker != b.marker or difference(a.colour, b.colour) > APART
