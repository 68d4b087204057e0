"""The shared look: fixed marks, files of the same bytes, and the word on simulated data."""

import hashlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

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
