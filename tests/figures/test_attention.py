"""Figure 5 shows the weights that it is given, and is written to the same bytes again."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from behrt.figures.attention import draw_diagnoses
from behrt.figures.style import save
from behrt.interpretation.diagnoses import Diagnoses
from behrt.sequences.vocabulary import Vocabulary

NAMES = ("Asthma", "Cost over $5 and $9", "Gout", "Primary Malignancy_biliary tract and more words")
WORDS = Vocabulary(NAMES, ("Lungs", "Money", "Joints", "Cancers"))


def patient(n: int, seed: int, heads: int = 3) -> Diagnoses:
    generator = np.random.default_rng(seed)
    attention = generator.dirichlet(np.ones(n + 2), (heads, n))[..., :n].astype(np.float32)
    contributions = generator.normal(size=(n, n))
    np.fill_diagonal(contributions, 0)
    visits = np.sort(generator.integers(0, n, n))
    return Diagnoses(
        generator.integers(0, len(NAMES), n), 500 + 9 * visits, visits, attention, contributions
    )


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_matrices_hold_the_weights(heads: int) -> None:
    patients = [patient(5, 1, heads), patient(9, 2, heads)]
    figure = draw_diagnoses(patients, ["Patient A", "Patient B"], WORDS)
    matrices = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(matrices) == 2 * (2 + heads)
    for index, one in enumerate(patients):
        mine = matrices[index * (2 + heads) : (index + 1) * (2 + heads)]
        others = ~np.eye(len(one.diseases), dtype=bool)
        expected = [one.mean_attention(), one.contributions, *one.attention]
        for drawn, values in zip(mine, expected, strict=True):
            assert drawn is not None
            assert np.ma.getmaskarray(drawn).tolist() == (~others).tolist()
            np.testing.assert_allclose(np.ma.getdata(drawn)[others], values[others])


def test_the_strongest_link_is_the_bluest_cell() -> None:
    one = patient(6, 3)
    figure = draw_diagnoses([one], ["Patient A"], WORDS)
    cells = [p for p in figure.axes[0].patches if type(p).__name__ == "Rectangle"]
    assert len(cells) == 6  # the diagnosis of interest, and the others in the right column
    right = [cell for cell in cells if cell.get_x() > min(c.get_x() for c in cells)]
    weights = np.delete(one.mean_attention()[one.of_interest()], one.of_interest())
    red = [int(to_hex(cell.get_facecolor())[1:3], 16) for cell in right]
    assert int(np.argmin(red)) == int(weights.argmax())
    assert np.argsort(red, kind="stable").tolist() == np.argsort(-weights).tolist()


def test_it_is_written_to_the_same_bytes_again(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        png, svg = tmp_path / f"{name}.png", tmp_path / f"{name}.svg"
        save(draw_diagnoses([patient(5, 1)], ["Patient A"], WORDS), png, svg, simulated=True)
        written.append((png.read_bytes(), svg.read_bytes()))
    assert written[0] == written[1]
    assert b"Simulated data" in written[0][1]
