"""Names beside points: none over another, over a point, or outside."""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from behrt.figures.labels import place_labels, short_chapter, wrapped
from behrt.figures.style import new_figure


def place(points: np.ndarray) -> tuple[list[Bbox], list[int], Bbox, np.ndarray]:
    figure = new_figure(6, 5)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    n = len(points)
    names = [f"Disease number {i}" for i in range(n)]
    left_out = place_labels(axes, points, np.full(n, 3.0), np.ones(n), names, range(n))
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    return boxes, left_out, axes.get_window_extent(renderer), axes.transData.transform(points)


def test_no_name_covers_a_name_or_a_point_or_leaves_the_axes() -> None:
    boxes, left_out, frame, pixels = place(np.random.default_rng(6).random((60, 2)))
    assert len(boxes) + len(left_out) == 60
    assert len(boxes) > 15
    for box, other in itertools.combinations(boxes, 2):
        assert not box.overlaps(other)
    radius = 3.0 * 100 / 72
    for box in boxes:
        assert frame.x0 <= box.x0 + 1
        assert box.x1 <= frame.x1 + 1
        nearest = np.clip(pixels, box.min, box.max)
        assert (np.hypot(*(pixels - nearest).T) > radius - 1).all()


def test_a_lone_point_is_named_beside_it() -> None:
    boxes, left_out, _, pixels = place(np.array([[0.5, 0.5]]))
    assert left_out == []
    assert 0 < boxes[0].x0 - pixels[0, 0] < 12


def test_a_crowd_gets_as_many_names_as_fit() -> None:
    boxes, left_out, _, _ = place(np.random.default_rng(6).normal(0.5, 0.005, (50, 2)))
    assert left_out
    assert len(boxes) < 50


def test_names_are_made_short() -> None:
    assert short_chapter("Diseases of the Eye") == "Eye"
    assert short_chapter("Skin conditions") == "Skin"
    assert short_chapter("Cancers") == "Cancers"
    assert wrapped("Primary Malignancy_Breast", 20) == "Primary Malignancy:\nBreast"


def test_no_name_breaks_within_a_word() -> None:
    name = "Dermatitis (atopc/contact/other/unspecified)"
    assert wrapped(name, 24) == "Dermatitis (atopc/\ncontact/other/\nunspecified)"
    assert wrapped("Viral diseases (excl chronic hepatitis/HIV)", 40).endswith("\nhepatitis/HIV)")
    assert wrapped("Gastro-oesophageal reflux", 18) == "Gastro-oesophageal\nreflux"
    assert wrapped("Gastro-oesophageal reflux", 12) == "Gastro-\noesophageal\nreflux"
    assert wrapped("Pseudopseudohypoparathyroidism, mild", 12) == (
        "Pseudopseudohypoparathyroidism,\nmild"
    )
