"""The phenotypes to which recordings map, compared with codes drawn at random."""

import numpy as np
import polars as pl
import pytest

from behrt.simulation.coding import Coder, Coding, coding_of
from behrt.simulation.drawn_codes import draw_mostly_first, draw_probability


def test_codes_are_drawn_with_their_probabilities() -> None:
    draws = np.random.default_rng(1)
    size = 7
    drawn = draw_mostly_first(draws, np.zeros(200_000, np.int64), np.full(200_000, size))
    share = draw_probability(np.arange(size), np.full(size, size))
    assert share.sum() == pytest.approx(1)
    assert np.bincount(drawn) / 200_000 == pytest.approx(share, abs=0.005)


def test_a_shared_code_maps_to_both_diseases() -> None:
    """Disease 0 has two codes, of which disease 1 has the second. GPs cannot code disease 2."""
    codes = pl.DataFrame(
        {
            "kind": ["diagnosis"] * 5 + ["symptom"],
            "disease": [0, 0, 1, 1, 2, None],
            "medcode": [10, 11, 11, None, None, 12],
            "icd": [None, None, None, "A01.2", "B02", None],
        }
    )
    mapping = pl.DataFrame(
        {
            "system": ["medcode"] * 3 + ["icd10"] * 3,
            "code": ["10", "11", "11", "A012", "B02", "B021"],
            "phenotype": [0, 0, 1, 1, 2, 2],
        }
    )
    coding = coding_of(codes, mapping, 3)
    second = draw_probability(np.array([1]), np.array([2]))[0]
    assert coding.gp == pytest.approx(np.array([[1, second, 0], [1, 1, 0], [0, 0, 0]]))
    assert coding.hospital == pytest.approx(np.diag([0.0, 1.0, 1.0]))

    coder, draws = Coder.of(codes, mapping, 3), np.random.default_rng(2)
    recordings = 50_000
    disease = np.tile(np.arange(3), recordings)
    for setting, expected in ((False, coding.gp), (True, coding.hospital)):
        place, phenotype = coder.draw(disease, np.full(len(disease), setting), draws)
        drawn = np.zeros((3, 3))
        np.add.at(drawn, (disease[place], phenotype), 1 / recordings)
        assert drawn == pytest.approx(expected, abs=0.01)


def test_recordings_are_mapped_independently_or_once() -> None:
    coding = Coding(np.array([[1.0, 0.25], [0.0, 1.0]]), np.eye(2))
    gp, hospital = np.array([[0.4, 0.1]]), np.array([[0.0, 0.5]])
    silent = [[0.6, (1 - 0.4 * 0.25) * 0.9 * 0.5]]
    assert coding.unmapped(gp, hospital) == pytest.approx(np.array(silent))
    assert coding.mapped_once(gp, hospital) == pytest.approx(np.array([[0.4, 0.7]]))
    exact = Coding.exact(2)
    assert exact.unmapped(gp, hospital) == pytest.approx((1 - gp) * (1 - hospital))
